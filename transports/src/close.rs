//! Why a connection ended: one table for operators, client authors and metrics.

use std::borrow::Cow;
use std::fmt;

/// Who ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initiator {
    /// The program that runs the server asked for it.
    Application,
    /// The server did, to protect itself or others.
    Server,
    /// The other side closed or broke off.
    Peer,
}

/// Why a connection ended.
///
/// Codes up to 2999 are those of RFC 6455 §7.4. Of ours, 4000–4499 mean *come back*, 4500–4999 *do not*.
///
/// | reason | code | label | who | come back? |
/// | --- | --- | --- | --- | --- |
/// | [`Ended`](Self::Ended) | 1000 | `ended` | application | no |
/// | [`GoingAway`](Self::GoingAway) | 1001 | `going_away` | application | yes |
/// | [`Reconnect`](Self::Reconnect) | 4000 | `reconnect` | application | yes |
/// | [`SlowConsumer`](Self::SlowConsumer) | 4001 | `slow_consumer` | server | yes |
/// | [`WriteTimeout`](Self::WriteTimeout) | 4002 | `write_timeout` | server | yes |
/// | [`HeartbeatMissed`](Self::HeartbeatMissed) | 4003 | `heartbeat_missed` | server | yes |
/// | [`ReceiveTimeout`](Self::ReceiveTimeout) | 4004 | `receive_timeout` | server | yes |
/// | [`ConnectTimeout`](Self::ConnectTimeout) | 4005 | `connect_timeout` | server | yes |
/// | [`Overloaded`](Self::Overloaded) | 1013 | `overloaded` | server | yes |
/// | [`TooManyRequests`](Self::TooManyRequests) | 4007 | `too_many_requests` | server | yes |
/// | [`TooManyFragments`](Self::TooManyFragments) | 1008 | `too_many_fragments` | server | yes |
/// | [`TooManyPackets`](Self::TooManyPackets) | 1008 | `too_many_packets` | server | yes |
/// | [`ProtocolError`](Self::ProtocolError) | 1002 | `protocol_error` | server | yes |
/// | [`InvalidText`](Self::InvalidText) | 1007 | `invalid_text` | server | yes |
/// | [`UnsupportedData`](Self::UnsupportedData) | 1003 | `unsupported_data` | server | yes |
/// | [`MessageTooBig`](Self::MessageTooBig) | 1009 | `message_too_big` | server | yes |
/// | [`Internal`](Self::Internal) | 1011 | `internal` | server | yes |
/// | [`PeerClosed`](Self::PeerClosed) | the peer's | `peer_closed` | peer | – |
/// | [`PeerGone`](Self::PeerGone) | 1006 | `peer_gone` | peer | – |
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The application ended the connection for good.
    Ended,
    /// The server stops; clients should come back, here or elsewhere.
    GoingAway,
    /// The application wants this client to connect anew.
    Reconnect,
    /// More bytes were waiting for this peer than its outbox may hold.
    SlowConsumer,
    /// The peer's socket took nothing for the length of the write deadline.
    WriteTimeout,
    /// Nothing was heard from the peer for a whole ping interval after a ping.
    HeartbeatMissed,
    /// The peer began a message and did not finish it within the receive deadline.
    ReceiveTimeout,
    /// The peer opened a session and did not connect to anything in it within the deadline.
    ConnectTimeout,
    /// The server has no memory left for what this connection holds, or it held the most when there was none for others.
    Overloaded,
    /// The peer went on sending more than its rates allow.
    TooManyRequests,
    /// One message came in more pieces than allowed.
    TooManyFragments,
    /// One request brought more packets than allowed.
    TooManyPackets,
    /// The peer broke the rules of its protocol. The text says how.
    ProtocolError(Cow<'static, str>),
    /// Text that is not UTF-8.
    InvalidText,
    /// Binary data that the application cannot read.
    UnsupportedData,
    /// A frame or message over the size limit.
    MessageTooBig,
    /// The server failed.
    Internal,
    /// The peer closed in an orderly way, with this code (1005 when it gave none).
    PeerClosed(u16),
    /// The peer's connection broke off without a close.
    PeerGone,
}

impl CloseReason {
    /// Every label.
    pub const LABELS: [&'static str; 19] = [
        "ended",
        "going_away",
        "reconnect",
        "slow_consumer",
        "write_timeout",
        "heartbeat_missed",
        "receive_timeout",
        "too_many_fragments",
        "protocol_error",
        "invalid_text",
        "message_too_big",
        "internal",
        "peer_closed",
        "peer_gone",
        "unsupported_data",
        "too_many_packets",
        "connect_timeout",
        "overloaded",
        "too_many_requests",
    ];

    /// The close code.
    pub const fn code(&self) -> u16 {
        match self {
            Self::Ended => 1000,
            Self::GoingAway => 1001,
            Self::Reconnect => 4000,
            Self::SlowConsumer => 4001,
            Self::WriteTimeout => 4002,
            Self::HeartbeatMissed => 4003,
            Self::ReceiveTimeout => 4004,
            Self::ConnectTimeout => 4005,
            Self::Overloaded => 1013,
            Self::TooManyRequests => 4007,
            Self::TooManyFragments | Self::TooManyPackets => 1008,
            Self::ProtocolError(_) => 1002,
            Self::InvalidText => 1007,
            Self::UnsupportedData => 1003,
            Self::MessageTooBig => 1009,
            Self::Internal => 1011,
            Self::PeerClosed(code) => *code,
            Self::PeerGone => 1006,
        }
    }

    /// The name of this reason in metrics and logs.
    pub const fn label(&self) -> &'static str {
        Self::LABELS[match self {
            Self::Ended => 0,
            Self::GoingAway => 1,
            Self::Reconnect => 2,
            Self::SlowConsumer => 3,
            Self::WriteTimeout => 4,
            Self::HeartbeatMissed => 5,
            Self::ReceiveTimeout => 6,
            Self::TooManyFragments => 7,
            Self::ProtocolError(_) => 8,
            Self::InvalidText => 9,
            Self::MessageTooBig => 10,
            Self::Internal => 11,
            Self::PeerClosed(_) => 12,
            Self::PeerGone => 13,
            Self::UnsupportedData => 14,
            Self::TooManyPackets => 15,
            Self::ConnectTimeout => 16,
            Self::Overloaded => 17,
            Self::TooManyRequests => 18,
        }]
    }

    /// Who ended the connection.
    pub const fn initiator(&self) -> Initiator {
        match self {
            Self::Ended | Self::GoingAway | Self::Reconnect => Initiator::Application,
            Self::SlowConsumer
            | Self::WriteTimeout
            | Self::HeartbeatMissed
            | Self::ReceiveTimeout
            | Self::ConnectTimeout
            | Self::Overloaded
            | Self::TooManyRequests
            | Self::TooManyFragments
            | Self::TooManyPackets
            | Self::ProtocolError(_)
            | Self::InvalidText
            | Self::UnsupportedData
            | Self::MessageTooBig
            | Self::Internal => Initiator::Server,
            Self::PeerClosed(_) | Self::PeerGone => Initiator::Peer,
        }
    }

    /// Whether the client is welcome to connect again.
    pub const fn may_return(&self) -> bool {
        !matches!(self, Self::Ended)
    }

    /// Whether what waits in the outbox should still be written before the close.
    /// Where the peer does not take its bytes, waiting for it would be pointless.
    pub const fn lets_outbox_drain(&self) -> bool {
        !matches!(
            self,
            Self::SlowConsumer
                | Self::Overloaded
                | Self::WriteTimeout
                | Self::HeartbeatMissed
                | Self::PeerClosed(_)
                | Self::PeerGone
        )
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "ended by the server",
            Self::GoingAway => "server is going away",
            Self::Reconnect => "please reconnect",
            Self::SlowConsumer => "messages are not read fast enough",
            Self::WriteTimeout => "socket took no data in time",
            Self::HeartbeatMissed => "no sign of life",
            Self::ReceiveTimeout => "message not finished in time",
            Self::ConnectTimeout => "connected to nothing in time",
            Self::Overloaded => "the server has no memory left for this connection",
            Self::TooManyRequests => "too many requests",
            Self::TooManyFragments => "too many fragments",
            Self::TooManyPackets => "too many packets",
            Self::ProtocolError(detail) => detail,
            Self::InvalidText => "text is not valid UTF-8",
            Self::UnsupportedData => "binary data is not understood here",
            Self::MessageTooBig => "message too big",
            Self::Internal => "internal error",
            Self::PeerClosed(_) => "closed by the peer",
            Self::PeerGone => "connection lost",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_label_and_a_text_that_fits_a_close_frame() {
        let all = [
            CloseReason::Ended,
            CloseReason::GoingAway,
            CloseReason::Reconnect,
            CloseReason::SlowConsumer,
            CloseReason::WriteTimeout,
            CloseReason::HeartbeatMissed,
            CloseReason::ReceiveTimeout,
            CloseReason::TooManyFragments,
            CloseReason::ProtocolError("x".into()),
            CloseReason::InvalidText,
            CloseReason::MessageTooBig,
            CloseReason::Internal,
            CloseReason::PeerClosed(1005),
            CloseReason::PeerGone,
            CloseReason::UnsupportedData,
            CloseReason::TooManyPackets,
            CloseReason::ConnectTimeout,
            CloseReason::Overloaded,
            CloseReason::TooManyRequests,
        ];
        for (reason, label) in all.iter().zip(CloseReason::LABELS) {
            assert_eq!(reason.label(), label);
            assert!(reason.to_string().len() <= 123);
        }
    }
}
