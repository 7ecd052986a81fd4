//! Why an end of an HTTP/2 session breaks it off.

/// An error code of HTTP/2 other than NO_ERROR (RFC 9113 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// What came breaks the rules.
    Protocol,
    /// Its own fault.
    Internal,
    /// More came than the window allowed.
    FlowControl,
    /// Nobody acknowledged its SETTINGS.
    SettingsTimeout,
    /// A frame for a stream that was half-closed.
    StreamClosed,
    /// A frame of a size that is not allowed.
    FrameSize,
    /// A stream was refused before anything was done about it.
    RefusedStream,
    /// A stream is not wanted any more.
    Cancel,
    /// The compression of header fields went out of step.
    Compression,
    /// The connection that CONNECT asked for broke.
    Connect,
    /// The other end does what may cause too much load.
    EnhanceYourCalm,
    /// TLS is not good enough.
    InadequateSecurity,
    /// HTTP/1.1 is wanted instead.
    Http11Required,
}

impl ProtocolError {
    /// By code.
    const ALL: [Self; 13] = [
        Self::Protocol,
        Self::Internal,
        Self::FlowControl,
        Self::SettingsTimeout,
        Self::StreamClosed,
        Self::FrameSize,
        Self::RefusedStream,
        Self::Cancel,
        Self::Compression,
        Self::Connect,
        Self::EnhanceYourCalm,
        Self::InadequateSecurity,
        Self::Http11Required,
    ];

    /// The error with this code; none for NO_ERROR and for codes that RFC 9113 does not have.
    pub(super) fn with_code(code: u32) -> Option<Self> {
        let place = code.checked_sub(1)?;
        Self::ALL.get(place as usize).copied()
    }

    /// The one that a [farewell](super::Farewell) names.
    pub fn of(farewell: &str) -> Option<Self> {
        let name = farewell.strip_prefix("goaway ")?;
        Self::ALL.into_iter().find(|error| error.name() == name)
    }

    /// Its name in the standard.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Protocol => "PROTOCOL_ERROR",
            Self::Internal => "INTERNAL_ERROR",
            Self::FlowControl => "FLOW_CONTROL_ERROR",
            Self::SettingsTimeout => "SETTINGS_TIMEOUT",
            Self::StreamClosed => "STREAM_CLOSED",
            Self::FrameSize => "FRAME_SIZE_ERROR",
            Self::RefusedStream => "REFUSED_STREAM",
            Self::Cancel => "CANCEL",
            Self::Compression => "COMPRESSION_ERROR",
            Self::Connect => "CONNECT_ERROR",
            Self::EnhanceYourCalm => "ENHANCE_YOUR_CALM",
            Self::InadequateSecurity => "INADEQUATE_SECURITY",
            Self::Http11Required => "HTTP_1_1_REQUIRED",
        }
    }

    /// What its sender says with it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Protocol => "what it got breaks the rules of HTTP/2",
            Self::Internal => "an error of its own, whatever was said",
            Self::FlowControl => "it got more than its window allowed",
            Self::SettingsTimeout => "its SETTINGS were not acknowledged in time",
            Self::StreamClosed => "it got a frame for a stream that was over",
            Self::FrameSize => "it got a frame of a size that is not allowed",
            Self::RefusedStream => "it refused a stream",
            Self::Cancel => "it wanted no more",
            Self::Compression => "the compression of header fields went out of step",
            Self::Connect => "the connection behind a CONNECT broke",
            Self::EnhanceYourCalm => {
                "it got more than it puts up with, mostly keepalive PINGs (gRPC: too_many_pings) or streams that were reset"
            }
            Self::InadequateSecurity => "TLS is not good enough for it",
            Self::Http11Required => "it wants HTTP/1.1 instead",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standard() {
        assert_eq!(ProtocolError::with_code(0), None);
        assert_eq!(ProtocolError::with_code(1), Some(ProtocolError::Protocol));
        let calm = Some(ProtocolError::EnhanceYourCalm);
        assert_eq!(ProtocolError::with_code(0xb), calm);
        let last = Some(ProtocolError::Http11Required);
        assert_eq!(ProtocolError::with_code(0xd), last);
        assert_eq!(ProtocolError::with_code(0xe), None);
    }

    #[test]
    fn a_farewell_names_it() {
        assert_eq!(ProtocolError::of("goaway"), None);
        assert_eq!(ProtocolError::of("goaway NO_ERROR"), None);
        for error in ProtocolError::ALL {
            let farewell = format!("goaway {}", error.name());
            assert_eq!(ProtocolError::of(&farewell), Some(error));
        }
    }
}
