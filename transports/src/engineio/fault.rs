//! What a wrong request is answered with (docs/protocol/engineio.md#errors).

use http::StatusCode;

/// An error of the protocol, with the code that clients read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// The number that clients know. `None` where theirs would say something else.
    pub(crate) code: Option<u8>,
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
        code: None,
        message: "Payload too large",
    };
    /// A body that did not come in time.
    pub(crate) const TOO_SLOW: Self = Self {
        status: StatusCode::REQUEST_TIMEOUT,
        code: None,
        message: "Request timeout",
    };
    /// The server cannot do what it should.
    pub(crate) const INTERNAL: Self = Self {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        code: None,
        message: "Internal error",
    };
    /// No more sessions in all.
    pub(crate) const FULL: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        ..Self::bad(4, "too many sessions")
    };
    /// No memory for what the client sends.
    pub(crate) const OVERLOADED: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        ..Self::bad(4, "the server has no memory left for this")
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
            code: Some(code),
            message,
        }
    }

    /// The JSON body.
    pub(crate) fn json(&self) -> String {
        let json = match self.code {
            Some(code) => serde_json::json!({ "code": code, "message": self.message }),
            None => serde_json::json!({ "message": self.message }),
        };
        json.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_numbers_and_mean_one_thing() {
        assert_eq!(
            Fault::SESSION.json(),
            "{\"code\":1,\"message\":\"Session ID unknown\"}"
        );
        // The table of clients has no code for these; 3 would say that the request is malformed.
        for (fault, text) in [
            (Fault::TOO_LARGE, "Payload too large"),
            (Fault::TOO_SLOW, "Request timeout"),
            (Fault::INTERNAL, "Internal error"),
        ] {
            assert_eq!(fault.json(), format!("{{\"message\":\"{text}\"}}"));
        }
    }
}
