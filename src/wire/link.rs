//! Link layers: how the frames of each link type begin.

pub(super) mod ethernet;
mod framing;
mod infiniband;
pub(super) mod juniper;
pub(super) mod llc;
mod log;
pub(super) mod metadata;
pub(super) mod mpls;
pub(super) mod ppp;
pub(super) mod relay;
pub(super) mod wifi;
pub(super) mod wifi_fragment;

use super::decoder::Context;
use super::view::View;
use super::{Decoded, ip};

/// Decodes a frame of a link type, as pcap files number them (<https://www.tcpdump.org/linktypes.html>).
#[inline]
pub(super) fn frame<'a>(link: u16, v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match link {
        1 => ethernet::outermost(v, ctx),
        276 => framing::linux_cooked_2(v, ctx),
        113 => framing::linux_cooked(v, ctx),
        // 12 and 14: what some systems wrote for 101.
        12 | 14 | 101 => raw(v, ctx),
        228 | 229 => ip::any_version(v, ctx),
        0 => framing::null(v, ctx),
        108 => framing::loopback(v, ctx),
        _ => rare(link, v, ctx),
    }
}

/// Raw IP shows itself, mostly.
#[inline]
fn raw<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match v.u8(0) {
        Some(0x45..=0x4f) => ip::v4(v, ctx),
        _ => ip::raw(v, ctx),
    }
}

/// Link types that few captures have.
fn rare<'a>(link: u16, v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let decoded = match link {
        3 => relay::ax25(v, ctx),
        6 => llc::token_ring(v, ctx),
        7 => llc::arcnet(v, 2, ctx),
        9 | 50 | 103 => Some(ppp::with_hdlc(v, ctx)),
        10 => llc::fddi(v, ctx),
        11 | 100 => Some(llc::llc(v, ctx)),
        13 | 109 => log::enc(v, ctx),
        16 | 18 | 19 | 106 => Some(ip::any_version(v, ctx)),
        17 => log::pflog_old(v, ctx),
        51 => Some(ppp::pppoe(v, ctx)),
        99 => framing::symantec(v, ctx),
        104 | 112 => Some(ppp::cisco_hdlc(v, ctx)),
        105 => Some(wifi::frame(v, ctx)),
        107 => relay::frame_relay(v, ctx),
        117 => log::pflog(v, ctx),
        119 => wifi::prism(v, ctx),
        122 => v.skip(16).map(|v| llc::llc(v, ctx)),
        123 => relay::sun_atm(v, ctx),
        127 => wifi::radiotap(v, ctx),
        128 => wifi::tzsp(v, ctx),
        129 => llc::arcnet(v, 4, ctx),
        130..=137 | 167 | 178..=183 | 194 | 222 | 238 => juniper::frame(link, v, ctx),
        138 => framing::ieee1394(v, ctx),
        143 => framing::docsis(v, ctx),
        163 => wifi::avs(v, ctx),
        192 => wifi::ppi(v, ctx),
        197 => framing::erf(v, ctx),
        202 => v.skip(1).and_then(|v| relay::ax25(v, ctx)),
        204 => v.skip(1).map(|v| ppp::with_hdlc(v, ctx)),
        205 => v.skip(1).map(|v| ppp::cisco_hdlc(v, ctx)),
        206 => v.skip(1).and_then(|v| relay::frame_relay(v, ctx)),
        226 => framing::ipnet(v, ctx),
        239 => log::nflog(v, ctx),
        240 => framing::netanalyzer(v, 4, ctx),
        241 => framing::netanalyzer(v, 12, ctx),
        242 => infiniband::ipoib(v, ctx),
        247 => infiniband::local_route(v, ctx),
        252 => framing::exported(v, ctx),
        253 => log::netlink_cooked(v, ctx),
        // 149 is for anyone to use; Darwin did.
        149 | 258 => framing::pktap(v, ctx),
        274 => framing::mpacket(v, ctx),
        _ => None,
    };
    decoded.unwrap_or(Decoded::Undecoded)
}
