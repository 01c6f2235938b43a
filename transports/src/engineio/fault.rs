//! What a wrong request is answered with (§1.8).

use http::StatusCode;

/// An error of the protocol, with the code that clients read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// The number that clients know.
    pub(crate) code: u8,
    /// The text that goes with it.
    pub(crate) message: &'static str,
}

impl Fault {
    /// A transport that does not exist, or is not open.
    pub(crate) const TRANSPORT: Self = Self::bad(0, "Transport unknown");
    /// A session that does not exist, or not any more.
    pub(crate) const SESSION: Self = Self::bad(1, "Session ID unknown");
    /// A session can only be opened with GET.
    pub(crate) const METHOD: Self = Self::bad(2, "Bad handshake method");
    /// A request that does not fit the state of its session.
    pub(crate) const REQUEST: Self = Self::bad(3, "Bad request");
    /// A version of the protocol that is not spoken here.
    pub(crate) const PROTOCOL: Self = Self::bad(5, "Unsupported protocol version");
    /// A body over the limit.
    pub(crate) const TOO_LARGE: Self = Self {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        ..Self::bad(3, "Payload too large")
    };
    /// A body that did not come in time.
    pub(crate) const TOO_SLOW: Self = Self {
        status: StatusCode::REQUEST_TIMEOUT,
        ..Self::bad(3, "Request timeout")
    };
    /// The server cannot do what it should.
    pub(crate) const INTERNAL: Self = Self {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        ..Self::bad(3, "Internal error")
    };
    /// No more sessions in all.
    pub(crate) const FULL: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        ..Self::bad(4, "too many sessions")
    };
    /// No more sessions for this client's address.
    pub(crate) const FULL_FOR_ADDRESS: Self = Self {
        status: StatusCode::TOO_MANY_REQUESTS,
        ..Self::bad(4, "too many sessions from this address")
    };
    /// A web page of another origin.
    pub(crate) const ORIGIN: Self = Self {
        status: StatusCode::FORBIDDEN,
        ..Self::bad(4, crate::Origins::REFUSED)
    };

    const fn bad(code: u8, message: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code,
            message,
        }
    }

    /// The JSON body.
    pub(crate) fn json(&self) -> String {
        serde_json::json!({ "code": self.code, "message": self.message }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_numbers() {
        assert_eq!(
            Fault::SESSION.json(),
            "{\"code\":1,\"message\":\"Session ID unknown\"}"
        );
    }
}
