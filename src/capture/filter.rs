//! Filter expressions of libpcap (pcap-filter(7)), applied to frames that were read from files.

use super::frame::{Frame, LinkType};

/// Why a filter expression can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// libpcap refuses the expression.
    #[error("filter `{expression}`: {why}")]
    Refused {
        /// The expression.
        expression: String,
        /// libpcap's word.
        why: String,
    },
    /// libpcap refuses the expression for frames of this link type.
    #[error("filter `{expression}` on frames of type {link}: {why}")]
    RefusedFor {
        /// The expression.
        expression: String,
        /// Name of the link type.
        link: String,
        /// libpcap's word.
        why: String,
    },
    /// This build has no libpcap.
    #[error(
        "filter `{expression}`: this whyrst was built without libpcap, which filter expressions need"
    )]
    WithoutLibpcap {
        /// The expression.
        expression: String,
    },
}

/// A filter expression, compiled for each link type when its first frame comes.
///
/// Frames are judged by the bytes captured, so that `len`, `less` and `greater` compare the captured length.
pub struct CaptureFilter {
    expression: String,
    programs: Vec<(LinkType, imp::Program)>,
}

impl CaptureFilter {
    /// Takes an expression; errors of syntax are found here, what depends on the link type with the first frame.
    pub fn new(expression: &str) -> Result<Self, FilterError> {
        let filter = Self {
            expression: expression.to_owned(),
            programs: Vec::new(),
        };
        imp::check_syntax(expression)?;
        Ok(filter)
    }

    /// The expression as it was given.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// Whether the frame passes.
    pub fn matches(&mut self, frame: &Frame<'_>) -> Result<bool, FilterError> {
        let known = self
            .programs
            .iter()
            .position(|(link, _)| *link == frame.link);
        let index = match known {
            Some(index) => index,
            None => {
                let program = imp::compile(&self.expression, frame.link)?;
                self.programs.push((frame.link, program));
                self.programs.len() - 1
            }
        };
        Ok(self
            .programs
            .get(index)
            .is_some_and(|(_, program)| imp::passes(program, frame.data)))
    }
}

#[cfg(feature = "live")]
mod imp {
    use pcap::{BpfProgram, Capture, Error, Linktype};

    use super::FilterError;
    use crate::capture::{LinkType, link_type_name};

    pub(super) type Program = BpfProgram;

    const EN10MB: LinkType = LinkType(1);

    pub(super) fn check_syntax(expression: &str) -> Result<(), FilterError> {
        match program(expression, EN10MB) {
            Err(why) if why.contains("syntax error") => Err(FilterError::Refused {
                expression: expression.to_owned(),
                why,
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn compile(expression: &str, link: LinkType) -> Result<Program, FilterError> {
        program(expression, link).map_err(|why| FilterError::RefusedFor {
            expression: expression.to_owned(),
            link: link_type_name(link).into_owned(),
            why,
        })
    }

    pub(super) fn passes(program: &Program, data: &[u8]) -> bool {
        program.filter(data)
    }

    fn program(expression: &str, link: LinkType) -> Result<Program, String> {
        Capture::dead(data_link_type(link))
            .and_then(|capture| capture.compile(expression, true))
            .map_err(|error| match error {
                Error::PcapError(why) => why,
                other => other.to_string(),
            })
    }

    /// libpcap's own number (`DLT_…`) for a number in files (`LINKTYPE_…`), where they differ on Linux
    /// (<https://www.tcpdump.org/linktypes.html>).
    fn data_link_type(link: LinkType) -> Linktype {
        Linktype(match link.0 {
            100 => 11,
            101 => 12,
            102 => 15,
            103 => 16,
            106 => 19,
            same => i32::from(same),
        })
    }
}

#[cfg(not(feature = "live"))]
mod imp {
    use super::FilterError;
    use crate::capture::LinkType;

    /// There are none.
    pub(super) enum Program {}

    pub(super) fn check_syntax(expression: &str) -> Result<(), FilterError> {
        Err(FilterError::WithoutLibpcap {
            expression: expression.to_owned(),
        })
    }

    pub(super) fn compile(expression: &str, _: LinkType) -> Result<Program, FilterError> {
        Err(FilterError::WithoutLibpcap {
            expression: expression.to_owned(),
        })
    }

    pub(super) fn passes(program: &Program, _: &[u8]) -> bool {
        match *program {}
    }
}

#[cfg(all(test, feature = "live"))]
mod tests {
    use super::*;
    use crate::capture::FrameId;
    use crate::time::Timestamp;

    /// The first bytes of a TCP segment from 10.0.0.1:1000 to 10.0.0.2:80, from the IPv4 header on.
    const SEGMENT: [u8; 40] = [
        0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, // IPv4
        0x03, 0xe8, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0, // TCP, SYN
    ];

    fn frame(link: u16, data: &[u8]) -> Frame<'_> {
        Frame {
            id: FrameId::default(),
            time: Timestamp::default(),
            link: LinkType(link),
            interface: 0,
            data,
            original_len: data.len() as u32,
        }
    }

    #[test]
    fn one_expression_serves_frames_of_several_link_types() {
        let mut filter = CaptureFilter::new("tcp port 80").unwrap();
        let mut ethernet = vec![0; 12];
        ethernet.extend([8, 0]);
        ethernet.extend(SEGMENT);
        assert_eq!(filter.matches(&frame(101, &SEGMENT)), Ok(true));
        assert_eq!(filter.matches(&frame(1, &ethernet)), Ok(true));
        let mut other = CaptureFilter::new("tcp port 81").unwrap();
        assert_eq!(other.matches(&frame(101, &SEGMENT)), Ok(false));
        assert_eq!(other.matches(&frame(1, &ethernet)), Ok(false));
    }

    #[test]
    fn a_syntax_error_is_told_before_any_frame() {
        let error = CaptureFilter::new("tcp port port").err().unwrap();
        assert!(matches!(error, FilterError::Refused { .. }), "{error}");
        assert!(error.to_string().starts_with("filter `tcp port port`: "));
    }

    #[test]
    fn what_a_link_type_cannot_have_is_told_with_its_name() {
        let mut filter = CaptureFilter::new("vlan 7").unwrap();
        let error = filter.matches(&frame(101, &SEGMENT)).unwrap_err();
        assert!(error.to_string().contains("frames of type RAW"), "{error}");
    }
}
