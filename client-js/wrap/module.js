var StellarClient = "%CLIENT%";
export { StellarClient };
export default StellarClient;
