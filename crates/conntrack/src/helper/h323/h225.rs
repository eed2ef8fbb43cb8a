//! Messages of H.225.0 that name addresses (ITU-T H.225.0, Annex H; tokens: ITU-T H.235): types by the names that the
//! standard gives them.

use ironweir_wire::L3;

use super::Field;
use super::h245;
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
const SEQUENCE_NUMBER: Component = must(Word);

static H221_NON_STANDARD: Components = extensible(&[must(Byte), must(Byte), must(Word)]);
static NON_STANDARD_IDENTIFIER: Alternatives = one_of(&[Oid, Sequence(&H221_NON_STANDARD)]);
static NON_STANDARD_PARAMETER: Components = plain(&[must(Choice(&NON_STANDARD_IDENTIFIER)), must(Counted)]);
const NON_STANDARD: Type = Sequence(&NON_STANDARD_PARAMETER);

static IP_ADDRESS: Components = plain(&[must(Place(L3::V4))]);
static IP6_ADDRESS: Components = extensible(&[must(Place(L3::V6))]);
static HOP: Type = Octets(4);
static ROUTING: Alternatives = one_of(&[Null, Null]);
static IP_SOURCE_ROUTE: Components =
    extensible(&[must(Octets(4)), must(Word), must(List(&HOP, 0)), must(Choice(&ROUTING))]);
static IPX_ADDRESS: Components = plain(&[must(Octets(6)), must(Octets(4)), must(Octets(2))]);
/// ipAddress, ipSourceRoute, ipxAddress, ip6Address, netBios, nsap, nonStandardAddress.
static TRANSPORT_ADDRESS: Alternatives = one_of(&[
    Sequence(&IP_ADDRESS),
    Sequence(&IP_SOURCE_ROUTE),
    Sequence(&IPX_ADDRESS),
    Sequence(&IP6_ADDRESS),
    Octets(16),
    OctetsUpTo(5, 1),
    NON_STANDARD,
]);
static ADDRESS: Type = Choice(&TRANSPORT_ADDRESS);

/// So many addresses of a list are looked at, as in the kernel.
const MOST_ADDRESSES: usize = 10;
static CALL_SIGNAL: Type = As(Field::CallSignal, &ADDRESS);
static RAS: Type = As(Field::Ras, &ADDRESS);

/// dialledDigits, h323-ID.
static ALIAS_ADDRESS: Alternatives = one_of(&[Digits(7), Characters256]);
static ALIAS: Type = Choice(&ALIAS_ADDRESS);
const ALIASES: Type = List(&ALIAS, 0);

static VENDOR: Components = extensible(&[must(Sequence(&H221_NON_STANDARD)), may(Octets256), may(Octets256)]);
/// Those whose first component is nonStandardData, and which have no other that every version has.
static NO_MORE: Components = extensible(&[may(NON_STANDARD)]);
static SUPPORTED_PROTOCOLS: Alternatives = one_of(&[
    NON_STANDARD,
    Sequence(&NO_MORE),
    Sequence(&NO_MORE),
    Sequence(&NO_MORE),
    Sequence(&NO_MORE),
    Sequence(&NO_MORE),
    Sequence(&NO_MORE),
    Sequence(&NO_MORE),
    Sequence(&NO_MORE),
]);
static PROTOCOL: Type = Choice(&SUPPORTED_PROTOCOLS);
static GATEWAY: Components = extensible(&[may(List(&PROTOCOL, 0)), may(NON_STANDARD)]);
/// nonStandardData, vendor, gatekeeper, gateway, mcu, terminal, mc, undefinedNode.
static ENDPOINT_TYPE: Components = extensible(&[
    may(NON_STANDARD),
    may(Sequence(&VENDOR)),
    may(Sequence(&NO_MORE)),
    may(Sequence(&GATEWAY)),
    may(Sequence(&NO_MORE)),
    may(Sequence(&NO_MORE)),
    BOOL,
    BOOL,
]);
const ENDPOINT: Component = must(Sequence(&ENDPOINT_TYPE));

static CONFERENCE_GOAL: Alternatives = one_of(&[Null, Null, Null]);
static Q954_DETAILS: Components = extensible(&[BOOL, BOOL]);
static Q_SERIES: Components =
    extensible(&[BOOL, BOOL, BOOL, BOOL, BOOL, BOOL, BOOL, must(Sequence(&Q954_DETAILS))]);
static CALL_TYPE: Alternatives = one_of(&[Null, Null, Null, Null]);
static CALL_MODEL: Alternatives = one_of(&[Null, Null]);
static REFERENCE: Type = Word;
static GUID: Components = extensible(&[must(Octets(16))]);

/// So many channels of a list are looked at, as in the kernel.
const MOST_CHANNELS: usize = 30;
const FAST_START: Type = OpenList(&h245::CHANNEL, MOST_CHANNELS);
const H245_ADDRESS: Component = may(As(Field::H245, &ADDRESS));

/// Behind the `...`: sourceCallSignalAddress, remoteExtensionAddress, callIdentifier, h245SecurityCapability, tokens,
/// cryptoTokens, fastStart.
static SETUP: Components = Components {
    extensible: true,
    root: &[
        must(Oid),
        H245_ADDRESS,
        may(ALIASES),
        ENDPOINT,
        may(ALIASES),
        may(As(Field::DestCallSignal, &ADDRESS)),
        may(ALIASES),
        may(List(&REFERENCE, 0)),
        BOOL,
        must(Octets(16)),
        must(Choice(&CONFERENCE_GOAL)),
        may(Sequence(&Q_SERIES)),
        must(Choice(&CALL_TYPE)),
    ],
    added: &[As(Field::SourceCallSignal, &ADDRESS), Open, Open, Open, Open, Open, FAST_START],
    ends: false,
};
/// CallProceeding-UUIE and Alerting-UUIE. Behind the `...`: callIdentifier, h245SecurityMode, tokens, cryptoTokens, fastStart.
static PROCEEDING: Components = Components {
    extensible: true,
    root: &[must(Oid), ENDPOINT, H245_ADDRESS],
    added: &[Open, Open, Open, Open, FAST_START],
    ends: false,
};
static CONNECT: Components = Components {
    extensible: true,
    root: &[must(Oid), H245_ADDRESS, ENDPOINT, must(Octets(16))],
    added: &[Open, Open, Open, Open, FAST_START],
    ends: false,
};
static INFORMATION: Components = extensible(&[must(Oid)]);
static RELEASE_REASON: Alternatives =
    one_of(&[Null, Null, Null, Null, Null, Null, Null, Null, Null, Null, Null, Null]);
static RELEASE_COMPLETE: Components = extensible(&[must(Oid), may(Choice(&RELEASE_REASON))]);
/// routeCallToGatekeeper, callForwarded, routeCallToMC, undefinedReason.
static FACILITY_REASON: Alternatives = one_of(&[Null, Note(Field::CallForwarded), Null, Null]);
/// Behind the `...`: callIdentifier, destExtraCallInfo, remoteExtensionAddress, tokens, cryptoTokens, conferences,
/// h245Address, fastStart.
static FACILITY: Components = Components {
    extensible: true,
    root: &[
        must(Oid),
        may(As(Field::Alternative, &ADDRESS)),
        may(ALIASES),
        may(Octets(16)),
        must(Choice(&FACILITY_REASON)),
    ],
    added: &[Open, Open, Open, Open, Open, Open, As(Field::H245, &ADDRESS), FAST_START],
    ends: false,
};

static SECURITY_MODE: Alternatives = one_of(&[NON_STANDARD, Null, Null]);
static SECURITY_CAPABILITIES: Components = extensible(&[
    may(NON_STANDARD),
    must(Choice(&SECURITY_MODE)),
    must(Choice(&SECURITY_MODE)),
    must(Choice(&SECURITY_MODE)),
]);
static H245_SECURITY: Alternatives =
    one_of(&[NON_STANDARD, Null, Sequence(&SECURITY_CAPABILITIES), Sequence(&SECURITY_CAPABILITIES)]);
static DH_SET: Components = extensible(&[must(LongBits), must(LongBits), must(LongBits)]);
static TYPED_CERTIFICATE: Components = extensible(&[must(Oid), must(Counted)]);
static H235_NON_STANDARD: Components = plain(&[must(Oid), must(Counted)]);
/// tokenOID, timeStamp, password, dhkey, challenge, random, certificate, generalID, nonStandard.
static CLEAR_TOKEN: Components = extensible(&[
    must(Oid),
    may(Long),
    may(Characters128),
    may(Sequence(&DH_SET)),
    may(OctetsUpTo(7, 8)),
    may(Counted),
    may(Sequence(&TYPED_CERTIFICATE)),
    may(Characters128),
    may(Sequence(&H235_NON_STANDARD)),
]);
static TOKEN: Type = Sequence(&CLEAR_TOKEN);
static PARAMETERS: Components = extensible(&[may(Counted), may(Octets(8))]);
static HASHED: Components = plain(&[must(Oid), must(Sequence(&PARAMETERS)), must(CountedBits)]);
static ENCRYPTED: Components = plain(&[must(Oid), must(Sequence(&PARAMETERS)), must(Counted)]);
static SIGNED: Components = plain(&[must(Open), must(Oid), must(Sequence(&PARAMETERS)), must(CountedBits)]);
static ENDPOINT_HASH: Components =
    plain(&[must(Choice(&ALIAS_ADDRESS)), must(Long), must(Sequence(&HASHED))]);
static GATEKEEPER_HASH: Components = plain(&[must(Characters128), must(Long), must(Sequence(&HASHED))]);
static ENCRYPTED_TOKEN: Components = plain(&[must(Oid), must(Sequence(&ENCRYPTED))]);
static SIGNED_TOKEN: Components = plain(&[must(Oid), must(Sequence(&SIGNED))]);
static HASHED_TOKEN: Components = plain(&[must(Oid), must(Sequence(&CLEAR_TOKEN)), must(Sequence(&HASHED))]);
static CRYPTO_TOKEN: Alternatives = one_of(&[
    Sequence(&ENCRYPTED_TOKEN),
    Sequence(&SIGNED_TOKEN),
    Sequence(&HASHED_TOKEN),
    Sequence(&ENCRYPTED),
]);
static CRYPTO_H323_TOKEN: Alternatives = one_of(&[
    Sequence(&ENDPOINT_HASH),
    Sequence(&GATEKEEPER_HASH),
    Sequence(&ENCRYPTED),
    Sequence(&ENCRYPTED),
    Sequence(&SIGNED),
    Sequence(&SIGNED),
    Sequence(&SIGNED),
    Choice(&CRYPTO_TOKEN),
]);
static CRYPTO: Type = Choice(&CRYPTO_H323_TOKEN);
static PROGRESS: Components = extensible(&[
    must(Oid),
    ENDPOINT,
    H245_ADDRESS,
    must(Sequence(&GUID)),
    may(Choice(&H245_SECURITY)),
    may(List(&TOKEN, 0)),
    may(List(&CRYPTO, 0)),
    may(FAST_START),
]);

static SETUP_BODY: Type = Sequence(&SETUP);
/// setup, callProceeding, connect, alerting, information, releaseComplete, facility; behind the `...` progress.
static MESSAGE_BODY: Alternatives = Alternatives {
    extensible: true,
    root: &[
        Begin(Field::Setup, &SETUP_BODY),
        Sequence(&PROCEEDING),
        Sequence(&CONNECT),
        Sequence(&PROCEEDING),
        Sequence(&INFORMATION),
        Sequence(&RELEASE_COMPLETE),
        Sequence(&FACILITY),
    ],
    added: &[Sequence(&PROGRESS)],
};
static TUNNELLED: Type = Begin(Field::Tunnelled, &h245::MESSAGE);
/// So many tunnelled messages are looked at, as in the kernel.
const MOST_TUNNELLED: usize = 4;
/// Behind the `...`: h4501SupplementaryService, h245Tunneling, h245Control.
static UU_PDU: Components = Components {
    extensible: true,
    root: &[must(Choice(&MESSAGE_BODY)), may(NON_STANDARD)],
    added: &[Open, Open, OpenList(&TUNNELLED, MOST_TUNNELLED)],
    ends: true,
};
static USER_INFORMATION: Components = extensible(&[must(Sequence(&UU_PDU)), may(Stop)]);
/// H323-UserInformation.
pub(super) static USER: Type = Sequence(&USER_INFORMATION);

static GRQ: Type = Sequence(&Components {
    extensible: true,
    root: &[
        SEQUENCE_NUMBER,
        must(Oid),
        may(NON_STANDARD),
        must(As(Field::Ras, &ADDRESS)),
        must(Stop),
        may(Stop),
        may(Stop),
        may(Stop),
    ],
    added: &[],
    ends: true,
});
static GCF: Type = Sequence(&Components {
    extensible: true,
    root: &[
        SEQUENCE_NUMBER,
        must(Oid),
        may(NON_STANDARD),
        may(Characters128),
        must(As(Field::Ras, &ADDRESS)),
    ],
    added: &[],
    ends: true,
});
/// Behind the `...`: alternateEndpoints, timeToLive.
static RRQ: Type = Sequence(&Components {
    extensible: true,
    root: &[
        SEQUENCE_NUMBER,
        must(Oid),
        may(NON_STANDARD),
        BOOL,
        must(List(&CALL_SIGNAL, MOST_ADDRESSES)),
        must(List(&RAS, MOST_ADDRESSES)),
        ENDPOINT,
        may(ALIASES),
        may(Characters128),
        must(Sequence(&VENDOR)),
    ],
    added: &[Open, LongNoted(Field::TimeToLive)],
    ends: true,
});
/// Behind the `...`: alternateGatekeeper, timeToLive.
static RCF: Type = Sequence(&Components {
    extensible: true,
    root: &[
        SEQUENCE_NUMBER,
        must(Oid),
        may(NON_STANDARD),
        must(List(&CALL_SIGNAL, MOST_ADDRESSES)),
        may(ALIASES),
        may(Characters128),
        must(Characters128),
    ],
    added: &[Open, LongNoted(Field::TimeToLive)],
    ends: true,
});
static URQ: Type = Sequence(&Components {
    extensible: true,
    root: &[SEQUENCE_NUMBER, must(List(&CALL_SIGNAL, MOST_ADDRESSES)), may(Stop), may(Stop), may(Stop)],
    added: &[],
    ends: true,
});
static ARQ: Type = Sequence(&Components {
    extensible: true,
    root: &[
        SEQUENCE_NUMBER,
        must(Choice(&CALL_TYPE)),
        may(Choice(&CALL_MODEL)),
        must(Characters128),
        may(ALIASES),
        may(As(Field::DestCallSignal, &ADDRESS)),
        may(ALIASES),
        must(ALIASES),
        may(As(Field::SourceCallSignal, &ADDRESS)),
        must(Stop),
        must(Stop),
        may(Stop),
        may(Stop),
        must(Stop),
        must(Stop),
        must(Stop),
    ],
    added: &[],
    ends: true,
});
static ACF: Type = Sequence(&Components {
    extensible: true,
    root: &[
        SEQUENCE_NUMBER,
        must(Long),
        must(Choice(&CALL_MODEL)),
        must(As(Field::DestCallSignal, &ADDRESS)),
        may(Stop),
        may(Stop),
    ],
    added: &[],
    ends: true,
});
static LRQ: Type = Sequence(&Components {
    extensible: true,
    root: &[
        SEQUENCE_NUMBER,
        may(Characters128),
        must(ALIASES),
        may(NON_STANDARD),
        must(As(Field::Ras, &ADDRESS)),
    ],
    added: &[],
    ends: true,
});
static LCF: Type = Sequence(&Components {
    extensible: true,
    root: &[
        SEQUENCE_NUMBER,
        must(As(Field::CallSignal, &ADDRESS)),
        must(Choice(&TRANSPORT_ADDRESS)),
        may(Stop),
    ],
    added: &[],
    ends: true,
});
static IRR: Type = Sequence(&Components {
    extensible: true,
    root: &[
        may(NON_STANDARD),
        SEQUENCE_NUMBER,
        ENDPOINT,
        must(Characters128),
        must(As(Field::Ras, &ADDRESS)),
        must(List(&CALL_SIGNAL, MOST_ADDRESSES)),
        may(Stop),
        may(Stop),
    ],
    added: &[],
    ends: true,
});
/// In the order of the standard, from gatekeeperRequest to nonStandardMessage.
static RAS_MESSAGE: Alternatives = one_of(&[
    Begin(Field::Grq, &GRQ),
    Begin(Field::Gcf, &GCF),
    Stop,
    Begin(Field::Rrq, &RRQ),
    Begin(Field::Rcf, &RCF),
    Stop,
    Begin(Field::Urq, &URQ),
    Stop,
    Stop,
    Begin(Field::Arq, &ARQ),
    Begin(Field::Acf, &ACF),
    Stop,
    Stop,
    Stop,
    Stop,
    Stop,
    Stop,
    Stop,
    Begin(Field::Lrq, &LRQ),
    Begin(Field::Lcf, &LCF),
    Stop,
    Stop,
    Begin(Field::Irr, &IRR),
    Stop,
]);
/// RasMessage.
pub(super) static RAS_ANY: Type = Choice(&RAS_MESSAGE);
