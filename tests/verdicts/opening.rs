//! Connections that never came to be.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use whyrst::testing::Ladder;
use whyrst::wire::IcmpReason::{PortUnreachable, Prohibited};

use crate::{GET, served, together, told};

const ROUTER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const ROUTER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));

ladders! {
    a_closed_port_refuses: "certain connection-refused · by server · drawn by syn · refused" =>
        Ladder::to(81)
            .client(0, "S")
            .server(20, "R.");

    a_closed_port_refuses_the_second_copy_of_a_syn: "certain connection-refused · by server · drawn by syn · refused" =>
        Ladder::to(81)
            .client(0, "S").again(1000)
            .server(1020, "R.");

    a_closed_port_refuses_over_ipv6: "certain connection-refused · by server · drawn by syn · refused" =>
        Ladder::to(81).over_ipv6()
            .client(0, "S")
            .server(20, "R.");

    a_router_prohibits: "certain connection-refused · refused" =>
        Ladder::to(81)
            .client(0, "S").icmp(3, ROUTER, Prohibited)
            .client(1000, "S").seq(0);

    a_router_says_unreachable_over_ipv6: "certain connection-refused · refused" =>
        Ladder::to(81).over_ipv6()
            .client(0, "S").icmp(3, ROUTER_V6, PortUnreachable);

    a_half_open_scan: "certain handshake-aborted · by client · drawn by syn-ack · none · handshake" =>
        Ladder::to(80)
            .client(0, "S")
            .server(20, "S.")
            .client(20.1, "R");

    a_half_open_scan_seen_at_the_server: "certain handshake-aborted · by client · drawn by syn-ack · none · handshake" =>
        Ladder::to(80).ttls(50, 64)
            .client(0, "S").bare()
            .server(0.1, "S.")
            .client(20, "R");

    the_same_syn_again_after_its_answer_was_reset: "likely handshake-aborted · by client · drawn by syn-ack · refused · handshake" =>
        Ladder::to(80).ttls(50, 64)
            .client(0, "S")
            .server(0.1, "S.")
            .client(20, "R").bare()
            .client(1000, "S").seq(0)
            .server(1000.1, "S.")
            .client(1020, "R").bare();

    a_syn_again_that_crossed_the_answer: "certain handshake-aborted · by client · drawn by syn-ack · none · handshake" =>
        Ladder::to(80).ttls(50, 64)
            .client(0, "S")
            .server(0.1, "S.")
            .client(20, "R").bare()
            .client(20.1, "S").seq(0);

    a_connect_given_up_before_the_syn_ack: "certain handshake-aborted · by client · drawn by syn-ack · refused · handshake" =>
        Ladder::to(80)
            .client(0, "S").again(1000)
            .server(2500, "S.")
            .client(2500.1, "R");

    a_health_check_says_nothing: "likely abortive-close · by client · drawn by none · none" =>
        Ladder::to(80)
            .handshake(0)
            .client(20.3, "R.");

    a_health_check_says_for_whom_it_comes: "likely abortive-close · by client · drawn by none · none" =>
        Ladder::to(80)
            .handshake(0)
            .client(20.1, "P.").payload("PROXY UNKNOWN\r\n")
            .server(20.2, ".")
            .client(20.3, "R.");

    a_request_behind_a_header_is_lost: "possible abortive-close · by server · drawn by none · request-outcome-unknown · awaiting-response" =>
        Ladder::to(80)
            .handshake(0)
            .client(20.1, "P.").payload("PROXY UNKNOWN\r\n")
            .client(21, "P.").payload(GET)
            .server(21.1, ".")
            .server(900, "R.");

    a_full_queue_repeats_its_syn_ack: "certain accept-queue-overflow · by server · drawn by request · request-lost" =>
        Ladder::to(80)
            .handshake(0)
            .client(21, "P.").payload(GET).again(240)
            .server(1020, "S.").seq(0).ack(1)
            .client(1020.1, ".")
            .client(1200, "P.").seq(1).payload(GET)
            .server(1220, "R");

    a_lost_ack_is_no_full_queue: "possible idle-expired-silently · by server · drawn by request · request-lost · between-requests" =>
        Ladder::to(80)
            .handshake(0)
            .server(1020, "S.").seq(0).ack(1)
            .client(1020.1, ".")
            .client(600_000, "P.").payload(GET)
            .server(600_020, "R");

    a_full_queue_resets_at_once: "likely accept-queue-overflow · by server · drawn by ack · refused" =>
        Ladder::to(80)
            .handshake(0)
            .server(40.2, "R");

    a_full_queue_resets_the_request_too: "likely accept-queue-overflow · by server · drawn by request · request-lost" =>
        Ladder::to(80)
            .handshake(0)
            .client(21, "P.").payload(GET)
            .server(40.2, "R")
            .server(41.1, "R");

    a_scan_whose_syn_ack_was_not_captured: "likely handshake-aborted · by client · drawn by none · none · handshake" =>
        Ladder::to(80)
            .client(0, "S")
            .client(20, "R").seq(1);

    a_connect_is_given_up_unanswered: "likely handshake-aborted · by client · drawn by none · refused · handshake" =>
        Ladder::to(80)
            .client(0, "S").again(1000).again(3000)
            .client(3500, "R").seq(1);

    what_acknowledges_data_had_a_socket: "possible half-open · by server · drawn by request · request-outcome-unknown" =>
        Ladder::to(80)
            .handshake(0)
            .client(21, "P.").payload(GET)
            .server(40.2, "R.").window(0).bare();

    a_connect_given_up_seen_at_the_server: "certain handshake-aborted · by client · drawn by syn-ack · refused · handshake" =>
        Ladder::to(80)
            .client(0, "S")
            .server(0.1, "S.")
            .client(900, "R").seq(1);

    an_old_connection_is_in_the_way: "certain time-wait-collision · by client · drawn by ack · none · handshake" =>
        Ladder::to(80)
            .client(0, "S")
            .server(20, ".").seq(700_000).ack(500_000)
            .client(20.1, "R")
            .client(1000, "S").seq(0)
            .server(1020, "S.").seq(900_000)
            .client(1020.1, ".")
            .client(1021, "P.").payload(GET);
}

/// The next connection of the port, whose SYN was not captured, says nothing of a RST of the one before.
#[test]
fn a_reset_and_the_next_connections_syn_ack() {
    let ladder = |syn_captured: bool| {
        let ladder = Ladder::to(80).server(0, "R.").seq(500_000).ack(700_000);
        let ladder = ladder.client(290, "S").seq(0);
        let ladder = if syn_captured { ladder } else { ladder.unseen() };
        ladder.server(310, "S.").client(310.1, ".").client(311, "P.").payload(GET)
    };
    for captured in [true, false] {
        let findings = ladder(captured).findings();
        assert_eq!(told(&findings), "possible unexplained · by server · drawn by none · unclear", "{captured}");
    }
}

#[test]
fn a_box_refuses_what_the_server_would_take() {
    let refused = Ladder::to(81)
        .from_port(40_002)
        .client(0, "S")
        .forged(whyrst::flow::Peer::Server, 4, "R.");
    assert_eq!(
        told(&together([&served(), &refused]).findings()),
        "likely connection-refused · by middlebox · drawn by syn · refused"
    );
}
