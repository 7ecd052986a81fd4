//! The names and versions in the hellos, which travel in clear text.

/// Longest name that is kept.
const NAME: usize = 120;
/// Most protocols of an ALPN list that are kept.
const PROTOCOLS: usize = 6;

/// Reads big-endian fields from a slice and never beyond it.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<usize> {
        self.take(1)?.first().map(|byte| usize::from(*byte))
    }

    fn u16(&mut self) -> Option<usize> {
        self.take(2)?
            .first_chunk::<2>()
            .map(|bytes| usize::from(u16::from_be_bytes(*bytes)))
    }

    /// A vector with a length of one byte.
    fn short(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(length)
    }

    /// A vector with a length of two bytes; cut where the bytes end.
    fn long(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        let length = length.min(self.0.len());
        self.take(length)
    }
}

/// What a ClientHello says (RFC 8446 section 4.1.2).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientHello {
    pub(super) server_name: Option<String>,
    pub(super) protocols: Vec<String>,
}

/// What a ServerHello says (RFC 8446 section 4.1.3).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ServerHello {
    pub(super) version: &'static str,
    pub(super) protocol: Option<String>,
}

impl ClientHello {
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let mut fields = Fields(message);
        if fields.u8()? != 1 {
            return None;
        }
        fields.take(3)?;
        fields.take(2 + 32)?;
        fields.short()?;
        fields.long()?;
        fields.short()?;
        let mut hello = Self {
            server_name: None,
            protocols: Vec::new(),
        };
        let Some(extensions) = fields.long() else {
            return Some(hello);
        };
        for_each_extension(extensions, |kind, body| match kind {
            0 => hello.server_name = server_name(body),
            16 => hello.protocols = protocols(body),
            _ => {}
        });
        Some(hello)
    }
}

impl ServerHello {
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let mut fields = Fields(message);
        if fields.u8()? != 2 {
            return None;
        }
        fields.take(3)?;
        let mut version = name_of(fields.u16()?);
        fields.take(32)?;
        fields.short()?;
        fields.take(3)?;
        let mut protocol = None;
        if let Some(extensions) = fields.long() {
            for_each_extension(extensions, |kind, body| match kind {
                43 => version = Fields(body).u16().map_or(version, name_of),
                16 => protocol = protocols(body).into_iter().next(),
                _ => {}
            });
        }
        Some(Self { version, protocol })
    }
}

fn for_each_extension(bytes: &[u8], mut take: impl FnMut(usize, &[u8])) {
    let mut fields = Fields(bytes);
    while let (Some(kind), Some(body)) = (fields.u16(), fields.long()) {
        take(kind, body);
    }
}

/// RFC 6066 section 3.
fn server_name(body: &[u8]) -> Option<String> {
    let mut list = Fields(Fields(body).long()?);
    list.u8().filter(|kind| *kind == 0)?;
    printable(list.long()?)
}

/// RFC 7301 section 3.1.
fn protocols(body: &[u8]) -> Vec<String> {
    let Some(list) = Fields(body).long() else {
        return Vec::new();
    };
    let mut fields = Fields(list);
    std::iter::from_fn(|| fields.short())
        .take(PROTOCOLS)
        .filter_map(printable)
        .collect()
}

fn printable(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    (text.len() <= NAME && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()))
        .then(|| text.to_owned())
}

fn name_of(version: usize) -> &'static str {
    match version {
        0x0304 => "1.3",
        0x0303 => "1.2",
        0x0302 => "1.1",
        0x0301 => "1.0",
        0x0300 => "SSL 3.0",
        _ => "unknown",
    }
}
