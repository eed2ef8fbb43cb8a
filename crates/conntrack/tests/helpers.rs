//! What helpers make of payloads that someone sends who means harm.

use proptest::prelude::*;

#[path = "../../../fuzz/src/helpers.rs"]
#[allow(unreachable_pub)]
mod talk;

/// What helpers look for, and what nearly is.
fn said() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: &[&[u8]] = &[
        b"PORT 10,0,0,1,",
        b"EPRT |1|10.0.0.1|",
        b"EPRT |2|fd00::1|",
        b"227 Entering Passive Mode (10,0,0,2,",
        b"229 Entering Extended Passive Mode (|||",
        b"PRIVMSG bob :\x01DCC SEND file 167772161 ",
        b"CONNECT DATA 1206 MESG 1207 INDEX ",
        b"INVITE sip:bob@10.0.0.2 SIP/2.0\r\n",
        b"REGISTER sip:10.0.0.2 SIP/2.0\r\nExpires: 60\r\n",
        b"SIP/2.0 200 OK\r\n",
        b"Via: SIP/2.0/UDP 10.0.0.1:5060;rport=5060;received=10.0.0.2\r\n",
        b"Via: SIP/2.0/TCP 10.0.0.1:5060\r\n",
        b"Contact: <sip:a@10.0.0.1:5060>,\r\n <sip:b@10.0.0.1>;expires=9\r\n",
        b"CSeq: 1 INVITE\r\n",
        b"CSeq: 1 REGISTER\r\n",
        b"Content-Length: 90\r\n",
        b"\r\n",
        b"v=0\r\no=a 1 1 IN IP4 10.0.0.1\r\nc=IN IP4 10.0.0.1\r\n",
        b"m=audio 4000 RTP/AVP 0\r\n",
        b"m=video 65534 RTP/AVP 0\r\nc=IN IP4 10.0.0.1\r\n",
        b"4000",
        b"16,0\r\n",
        b"|4000|\r\n",
        b" 1209\n",
        b"\0\x9c\0\x01\x1a\x2b\x3c\x4d\0\x01\0\0",
        b"\0\x20\0\x01\x1a\x2b\x3c\x4d\0\x08\0\0\0\x09\0\x07\x01",
        b"\0\0\0\x07\0\0\0\0",
        b"\0\x01file\0octet\0",
        // H.323: a Setup, a Facility with OpenLogicalChannelAck within, an OpenLogicalChannel, a registration.
        b"\x03\0\0\x9f",
        b"\x08\x02\x12\x34\x05~\0\x91\x05\0\xe8\x06\0\x08\x91J\0\x04\0\n\0\0\x01\x13\x88\x02\x01\0\x124\x01\0a\0b\x22\x80\xb5\0\0\x12\x03weir\0\n\0\0\x02\x06\xb8\0\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\0E\x10\x07\0\n\0\0\x01\x06\xb8\x11\0\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x055\x02\x19\0\0d\x0c`\x13\x80\x11\x14\0\x01\0\n\0\0\x01\x0f\xa0\0\n\0\0\x01\x0f\xa1\x19\x80\0e\x01\x83\x01\0@\x01\x02\x81\x01\0\x01\t\x08\0\n\0\0\x01\x05\xdf\0",
        b"\x03\0\0=\x08\x02\x124b~\0/\x05&@\x06\0\x08\x91J\0\x04\0\xc63d\x07\x06\xb8 \x98\x01\x80\x19\x01\x17\x22\xc0\0d\x02\x80\x10\x1c\x02\0\n\0\0\x01\x17p\0\n\0\0\x01\x17q",
        b"\x03\0\0\x1e\x03\0\0d\x0c`\x13\x80\x11\x14\0\x01\0\n\0\0\x01\x0f\xa0\0\n\0\0\x01\x0f\xa1",
        b"\x0e\0\0\x01\x06\0\x08\x91J\0\x04\0\x02\0\x7f\0\0\x01\x06\xb8\0\n\0\0\x01\x06\xb8\x01\0\n\0\0\x01\x06\xb7\x22\x80\xb5\0\0\x12\x03weir\0\xb5\0\0\x12\x02\x80\x03@\x01+",
    ];
    let part = prop_oneof![
        4 => proptest::sample::select(WORDS).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..200),
    ];
    proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_is_said_no_more_is_expected_than_may_be_and_packets_stay_whole(
        first: u8,
        turns in proptest::collection::vec((any::<u8>(), said()), 0..8),
    ) {
        let mut bytes = vec![first];
        for (what, mut text) in turns {
            text.resize(text.len().next_multiple_of(4).min(1020), b' ');
            bytes.extend([what, (text.len() / 4) as u8]);
            bytes.extend(text);
        }
        talk::run(&bytes);
    }
}
