//! `etherparse` writes whole packets, and takes them apart from the Ethernet header to the payload: both must agree.

use etherparse::{LaxSlicedPacket, NetSlice, PacketBuilder, SlicedPacket, TransportSlice, VlanId};
use proptest::prelude::*;

use super::super::{Addresses, Decoded, Decoder};
use super::{ETHERNET, cut_frame, frame, segment};

#[derive(Clone, Debug)]
struct Plan {
    vlan: Option<u16>,
    addresses: Addresses,
    ports: (u16, u16),
    seq: u32,
    window: u16,
    ttl: u8,
    payload: Vec<u8>,
}

fn addresses() -> impl Strategy<Value = Addresses> {
    prop_oneof![
        any::<([u8; 4], [u8; 4])>().prop_map(|(src, dst)| Addresses::V4 {
            src: src.into(),
            dst: dst.into(),
        }),
        any::<([u8; 16], [u8; 16])>().prop_map(|(src, dst)| Addresses::V6 {
            src: src.into(),
            dst: dst.into(),
        }),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let vlan = proptest::option::of(0u16..4096);
    let payload = proptest::collection::vec(any::<u8>(), 0..80);
    (
        vlan,
        addresses(),
        any::<(u16, u16)>(),
        any::<u32>(),
        any::<u16>(),
        any::<u8>(),
        payload,
    )
        .prop_map(|(vlan, addresses, ports, seq, window, ttl, payload)| Plan {
            vlan,
            addresses,
            ports,
            seq,
            window,
            ttl,
            payload,
        })
}

fn build(plan: &Plan) -> Vec<u8> {
    let link = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let ((source, destination), ttl) = (plan.ports, plan.ttl);
    let ip = match (
        plan.vlan.and_then(|id| VlanId::try_new(id).ok()),
        plan.addresses,
    ) {
        (None, Addresses::V4 { src, dst }) => link.ipv4(src.octets(), dst.octets(), ttl),
        (None, Addresses::V6 { src, dst }) => link.ipv6(src.octets(), dst.octets(), ttl),
        (Some(id), Addresses::V4 { src, dst }) => {
            link.single_vlan(id).ipv4(src.octets(), dst.octets(), ttl)
        }
        (Some(id), Addresses::V6 { src, dst }) => {
            link.single_vlan(id).ipv6(src.octets(), dst.octets(), ttl)
        }
    };
    let mut bytes = Vec::new();
    ip.tcp(source, destination, plan.seq, plan.window)
        .rst()
        .write(&mut bytes, &plan.payload)
        .expect("a vector takes everything");
    bytes
}

proptest! {
    #[test]
    fn what_etherparse_writes_is_read(plan in plan()) {
        let bytes = build(&plan);
        let mut decoder = Decoder::new();
        let read = segment(decoder.decode(&frame(ETHERNET, &bytes)));
        prop_assert_eq!(read.addresses, plan.addresses);
        prop_assert_eq!((read.src_port, read.dst_port), plan.ports);
        prop_assert_eq!((read.head.seq.0, read.head.window, read.head.ttl.0), (plan.seq, plan.window, plan.ttl));
        prop_assert_eq!(read.payload, &plan.payload[..]);
        prop_assert!(read.flags.is_some_and(|flags| flags.rst()));
        prop_assert_eq!(read.checksum_ok, Some(true), "etherparse computes it");
    }

    #[test]
    fn both_read_the_same_from_damaged_packets(plan in plan(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = build(&plan);
        *at.get_mut(&mut bytes) = byte;
        let Ok(theirs) = SlicedPacket::from_ethernet(&bytes) else { return Ok(()) };
        let fragment = match &theirs.net {
            Some(NetSlice::Ipv4(ip)) => ip.is_payload_fragmented(),
            Some(NetSlice::Ipv6(ip)) => ip.is_payload_fragmented(),
            _ => false,
        };
        let (Some(TransportSlice::Tcp(tcp)), false) = (&theirs.transport, fragment) else {
            return Ok(());
        };
        let mut decoder = Decoder::new();
        let Decoded::Tcp(ours) = decoder.decode(&frame(ETHERNET, &bytes)) else {
            return Err(TestCaseError::fail(format!("no TCP in {bytes:02x?}")));
        };
        prop_assert_eq!(ours.src_port, tcp.source_port());
        prop_assert_eq!(ours.head.seq.0, tcp.sequence_number());
        prop_assert_eq!(ours.payload, tcp.payload());
    }

    #[test]
    fn both_read_the_same_from_cut_packets(plan in plan(), at in any::<prop::sample::Index>()) {
        let bytes = build(&plan);
        let captured = &bytes[..at.index(bytes.len() + 1)];
        let mut decoder = Decoder::new();
        let ours = decoder.decode(&cut_frame(ETHERNET, captured, bytes.len()));
        let theirs = LaxSlicedPacket::from_ethernet(captured).ok();
        if let Some(TransportSlice::Tcp(tcp)) = theirs.and_then(|packet| packet.transport) {
            let ours = segment(ours);
            prop_assert_eq!(ours.head.ack.0, tcp.acknowledgment_number());
            prop_assert_eq!(ours.payload, tcp.payload());
        }
    }
}
