//! Packets within packets: what carries IP or Ethernet over IP or UDP.

use super::decoder::Context;
use super::view::View;
use super::{Decoded, ip};

/// What an IP protocol number other than TCP and ICMP carries.
pub(super) fn over_ip<'a>(protocol: u8, v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match protocol {
        4 => ip::any_version(v, ctx),
        41 => ip::v6(v, ctx),
        _ => Decoded::Other,
    }
}
