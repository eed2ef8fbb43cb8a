//! Messages of H.245 that open channels (ITU-T H.245, Annex A): types by the names that the standard gives them.

use ironweir_wire::L3;

use super::Field;
use super::per::Type::*;
use super::per::{Choice as Alternatives, Component, Sequence as Components, Type, may, must};

/// A SEQUENCE that ends with `...`, nothing behind which is of interest.
const fn extensible(root: &'static [Component]) -> Components {
    Components { extensible: true, root, added: &[], ends: false }
}

/// A SEQUENCE without `...`.
const fn plain(root: &'static [Component]) -> Components {
    Components { extensible: false, root, added: &[], ends: false }
}

/// A CHOICE that ends with `...`, nothing behind which is of interest.
const fn one_of(root: &'static [Type]) -> Alternatives {
    Alternatives { extensible: true, root, added: &[] }
}

const BOOL: Component = must(Bool);
/// What says no more than that it is one of so many.
static NULLS: Alternatives = one_of(&[Null, Null]);
static THREE_NULLS: Alternatives = one_of(&[Null, Null, Null]);

static H221_NON_STANDARD: Components = plain(&[must(Byte), must(Byte), must(Word)]);
static NON_STANDARD_IDENTIFIER: Alternatives =
    Alternatives { extensible: false, root: &[Oid, Sequence(&H221_NON_STANDARD)], added: &[] };
static NON_STANDARD_PARAMETER: Components = plain(&[must(Choice(&NON_STANDARD_IDENTIFIER)), must(Counted)]);
const NON_STANDARD: Type = Sequence(&NON_STANDARD_PARAMETER);
static NON_STANDARD_ITEM: Type = NON_STANDARD;

static H261: Components = extensible(&[may(Bits(2)), may(Bits(2)), BOOL, must(Word), BOOL]);
static H262: Components = extensible(&[
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    may(Long),
    may(Long),
    may(Word),
    may(Word),
    may(Bits(4)),
    may(Long),
]);
static H263: Components = extensible(&[
    may(Bits(5)),
    may(Bits(5)),
    may(Bits(5)),
    may(Bits(5)),
    may(Bits(5)),
    must(Long),
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    may(Long),
    may(Word),
]);
static IS11172_VIDEO: Components =
    extensible(&[BOOL, may(Long), may(Long), may(Word), may(Word), may(Bits(4)), may(Long)]);
static VIDEO_CAPABILITY: Alternatives =
    one_of(&[NON_STANDARD, Sequence(&H261), Sequence(&H262), Sequence(&H263), Sequence(&IS11172_VIDEO)]);

static G7231: Components = plain(&[must(Byte), BOOL]);
static IS11172_AUDIO: Components = extensible(&[BOOL, BOOL, BOOL, BOOL, BOOL, BOOL, BOOL, BOOL, must(Word)]);
static IS13818_AUDIO: Components = extensible(&[
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    BOOL,
    must(Word),
]);
/// nonStandard, G.711 (4), G.722 (3), G.723.1, G.728, G.729 (2), and the two of ISO.
static AUDIO_CAPABILITY: Alternatives = one_of(&[
    NON_STANDARD,
    Byte,
    Byte,
    Byte,
    Byte,
    Byte,
    Byte,
    Byte,
    Sequence(&G7231),
    Byte,
    Byte,
    Byte,
    Sequence(&IS11172_AUDIO),
    Sequence(&IS13818_AUDIO),
]);

/// The fourth behind the `...` is separateLANStack.
static T120_PROTOCOL: Alternatives = Alternatives {
    extensible: true,
    root: &[NON_STANDARD, Null, Null, Null, Null, Null, Null],
    added: &[Open, Open, Open, Note(Field::T120)],
};
static DATA_PROTOCOL: Alternatives = one_of(&[NON_STANDARD, Null, Null, Null, Null, Null, Null]);
static T84_RESTRICTED: Components = extensible(&[
    BOOL, BOOL, BOOL, BOOL, BOOL, BOOL, BOOL, BOOL, BOOL, BOOL, BOOL, BOOL, BOOL, BOOL, BOOL, BOOL, BOOL,
    BOOL, BOOL,
]);
static T84_PROFILE: Alternatives =
    Alternatives { extensible: false, root: &[Null, Sequence(&T84_RESTRICTED)], added: &[] };
static T84: Components = plain(&[must(Choice(&DATA_PROTOCOL)), must(Choice(&T84_PROFILE))]);
static NLPID: Components = plain(&[must(Choice(&DATA_PROTOCOL)), must(Counted)]);
/// nonStandard, t120, dsm-cc, userData, t84, t434, h224, nlpid, dsvdControl, h222DataPartitioning.
static APPLICATION: Alternatives = one_of(&[
    NON_STANDARD,
    Choice(&T120_PROTOCOL),
    Choice(&DATA_PROTOCOL),
    Choice(&DATA_PROTOCOL),
    Sequence(&T84),
    Choice(&DATA_PROTOCOL),
    Choice(&DATA_PROTOCOL),
    Sequence(&NLPID),
    Null,
    Choice(&DATA_PROTOCOL),
]);
static DATA_APPLICATION: Components = extensible(&[must(Choice(&APPLICATION)), must(Long)]);
static ENCRYPTION_MODE: Alternatives = one_of(&[NON_STANDARD, Null]);
/// nonStandard, nullData, videoData, audioData, data, encryptionData.
static DATA_TYPE: Alternatives = one_of(&[
    NON_STANDARD,
    Null,
    Choice(&VIDEO_CAPABILITY),
    Choice(&AUDIO_CAPABILITY),
    Sequence(&DATA_APPLICATION),
    Choice(&ENCRYPTION_MODE),
]);
static REVERSE_DATA_TYPE: Type = Choice(&DATA_TYPE);

static H222: Components = extensible(&[must(Word), must(Word), may(Word), may(Counted), may(Counted)]);
static AL3: Components = plain(&[must(Bits(2)), must(Long)]);
static ADAPTATION_LAYER: Alternatives = one_of(&[NON_STANDARD, Null, Null, Null, Null, Sequence(&AL3)]);
static H223: Components = extensible(&[must(Choice(&ADAPTATION_LAYER)), BOOL]);
static HDLC: Components = extensible(&[must(Choice(&THREE_NULLS)), must(Word), BOOL]);
static ERM: Components = extensible(&[must(Bits(7)), must(Choice(&THREE_NULLS))]);
static V76_MODE: Alternatives = one_of(&[Sequence(&ERM), Null]);
static V75: Components = extensible(&[BOOL]);
static V76: Components = extensible(&[
    must(Sequence(&HDLC)),
    must(Choice(&THREE_NULLS)),
    BOOL,
    must(Choice(&V76_MODE)),
    must(Sequence(&V75)),
]);

static IP_ADDRESS: Components = extensible(&[must(Place(L3::V4))]);
static IPX_ADDRESS: Components = extensible(&[must(Octets(6)), must(Octets(4)), must(Octets(2))]);
static IP6_ADDRESS: Components = extensible(&[must(Place(L3::V6))]);
static ROUTING: Alternatives = Alternatives { extensible: false, root: &[Null, Null], added: &[] };
static HOP: Type = Octets(4);
static SOURCE_ROUTE: Components =
    extensible(&[must(Choice(&ROUTING)), must(Octets(4)), must(Word), must(List(&HOP, 0))]);
static UNICAST: Alternatives = one_of(&[
    Sequence(&IP_ADDRESS),
    Sequence(&IPX_ADDRESS),
    Sequence(&IP6_ADDRESS),
    Octets(16),
    Sequence(&SOURCE_ROUTE),
]);
static GROUP: Components = extensible(&[must(Octets(4)), must(Word)]);
static GROUP6: Components = extensible(&[must(Octets(16)), must(Word)]);
static MULTICAST: Alternatives = one_of(&[Sequence(&GROUP), Sequence(&GROUP6)]);
static TRANSPORT_ADDRESS: Alternatives = one_of(&[Choice(&UNICAST), Choice(&MULTICAST)]);
static ADDRESS: Type = Choice(&TRANSPORT_ADDRESS);

/// Media and its control go the same way, each with its pair of ports.
static H2250: Components = extensible(&[
    may(List(&NON_STANDARD_ITEM, 0)),
    must(Byte),
    may(Bits(8)),
    may(As(Field::Media, &ADDRESS)),
    may(Bool),
    may(As(Field::Media, &ADDRESS)),
    may(Stop),
    may(Stop),
    may(Stop),
    may(Stop),
    may(Stop),
]);
static FORWARD_MULTIPLEX: Alternatives = Alternatives {
    extensible: true,
    root: &[Sequence(&H222), Sequence(&H223), Sequence(&V76)],
    added: &[Sequence(&H2250)],
};
static FORWARD: Components =
    extensible(&[may(Word), must(Choice(&DATA_TYPE)), must(Choice(&FORWARD_MULTIPLEX))]);
static REVERSE_MULTIPLEX: Alternatives =
    Alternatives { extensible: true, root: &[Sequence(&H223), Sequence(&V76)], added: &[Sequence(&H2250)] };
static REVERSE: Components =
    extensible(&[must(Unnoted(&REVERSE_DATA_TYPE)), may(Choice(&REVERSE_MULTIPLEX))]);

static NUMBER: Alternatives = one_of(&[Digits(4), OctetsUpTo(5, 1)]);
static Q2931: Components = extensible(&[must(Choice(&NUMBER)), may(OctetsUpTo(5, 1))]);
static NETWORK_ADDRESS: Alternatives = one_of(&[Sequence(&Q2931), Digits(7), As(Field::Stack, &ADDRESS)]);
static NETWORK_ACCESS: Components =
    extensible(&[may(Choice(&NULLS)), must(Choice(&NETWORK_ADDRESS)), BOOL, may(OctetsUpTo(8, 1))]);

static OPEN_LOGICAL_CHANNEL: Components = Components {
    extensible: true,
    root: &[must(Word), must(Sequence(&FORWARD)), may(Sequence(&REVERSE))],
    added: &[Sequence(&NETWORK_ACCESS)],
    ends: true,
};
static CHANNEL_BODY: Type = Sequence(&OPEN_LOGICAL_CHANNEL);
/// OpenLogicalChannel.
pub(super) static CHANNEL: Type = Begin(Field::Channel, &CHANNEL_BODY);

static ACK_REVERSE_MULTIPLEX: Alternatives =
    Alternatives { extensible: true, root: &[Sequence(&H222)], added: &[Sequence(&H2250)] };
static ACK_REVERSE: Components = extensible(&[must(Word), may(Word), may(Choice(&ACK_REVERSE_MULTIPLEX))]);
static H2250_ACK: Components = extensible(&[
    may(List(&NON_STANDARD_ITEM, 0)),
    may(Bits(8)),
    may(As(Field::Media, &ADDRESS)),
    may(As(Field::Media, &ADDRESS)),
    may(Bits(5)),
]);
static ACK_FORWARD_MULTIPLEX: Alternatives = one_of(&[Sequence(&H2250_ACK)]);
static OPEN_LOGICAL_CHANNEL_ACK: Components = Components {
    extensible: true,
    root: &[must(Word), may(Sequence(&ACK_REVERSE))],
    added: &[Sequence(&NETWORK_ACCESS), Choice(&ACK_FORWARD_MULTIPLEX)],
    ends: true,
};
static ACK: Type = Sequence(&OPEN_LOGICAL_CHANNEL_ACK);

static REQUEST: Alternatives = one_of(&[
    Stop,
    Stop,
    Stop,
    Begin(Field::Channel, &CHANNEL_BODY),
    Stop,
    Stop,
    Stop,
    Stop,
    Stop,
    Stop,
    Stop,
]);
static RESPONSE: Alternatives = one_of(&[
    Stop,
    Stop,
    Stop,
    Stop,
    Stop,
    Begin(Field::ChannelAck, &ACK),
    Stop,
    Stop,
    Stop,
    Stop,
    Stop,
    Stop,
    Stop,
    Stop,
    Stop,
    Stop,
    Stop,
    Stop,
    Stop,
]);
/// request, response, command, indication.
static MULTIMEDIA_SYSTEM_CONTROL: Alternatives = one_of(&[Choice(&REQUEST), Choice(&RESPONSE), Stop, Stop]);
/// MultimediaSystemControlMessage.
pub(super) static MESSAGE: Type = Choice(&MULTIMEDIA_SYSTEM_CONTROL);
