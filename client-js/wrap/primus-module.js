var Primus = "%CLIENT%";
export { Primus };
export default Primus;
