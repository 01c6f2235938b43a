//! The plugins that Primus's users expect, each speaking what its clients on npm speak.
