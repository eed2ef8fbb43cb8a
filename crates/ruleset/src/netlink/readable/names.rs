//! The names of nf_tables' messages and attributes, as `linux/netfilter/nf_tables.h` has them.

/// The attributes that a message or a nest may hold.
#[derive(Debug)]
pub(super) struct Schema {
    /// What all their names begin with.
    pub(super) prefix: &'static str,
    /// Their names behind that, the first one of type 1.
    pub(super) names: &'static [&'static str],
    /// Which of them hold attributes.
    pub(super) nests: &'static [(&'static str, Nest)],
}

/// What is in an attribute.
#[derive(Clone, Copy, Debug)]
pub(super) enum Nest {
    /// Attributes of one kind.
    Of(&'static Schema),
    /// Those of the expression that the attribute before it names.
    Expression,
    /// Those of the object whose type the attribute before it tells.
    Object,
}

const fn schema(
    prefix: &'static str,
    names: &'static [&'static str],
    nests: &'static [(&'static str, Nest)],
) -> Schema {
    Schema { prefix, names, nests }
}

/// Messages, from 0 (`enum nf_tables_msg_types`).
pub(super) const MESSAGES: &[&str] = &[
    "NEWTABLE",
    "GETTABLE",
    "DELTABLE",
    "NEWCHAIN",
    "GETCHAIN",
    "DELCHAIN",
    "NEWRULE",
    "GETRULE",
    "DELRULE",
    "NEWSET",
    "GETSET",
    "DELSET",
    "NEWSETELEM",
    "GETSETELEM",
    "DELSETELEM",
    "NEWGEN",
    "GETGEN",
    "TRACE",
    "NEWOBJ",
    "GETOBJ",
    "DELOBJ",
    "GETOBJ_RESET",
    "NEWFLOWTABLE",
    "GETFLOWTABLE",
    "DELFLOWTABLE",
    "GETRULE_RESET",
    "DESTROYTABLE",
    "DESTROYCHAIN",
    "DESTROYRULE",
    "DESTROYSET",
    "DESTROYSETELEM",
    "DESTROYOBJ",
    "DESTROYFLOWTABLE",
    "GETSETELEM_RESET",
];

/// Lists: of each, the one attribute `NFTA_LIST_ELEM` and what is in it.
static EXPRS: Schema = schema("NFTA_LIST_", &["ELEM"], &[("ELEM", Nest::Of(&EXPR))]);
static FIELDS: Schema = schema("NFTA_LIST_", &["ELEM"], &[("ELEM", Nest::Of(&SET_FIELD))]);
static ELEMENTS: Schema = schema("NFTA_LIST_", &["ELEM"], &[("ELEM", Nest::Of(&SET_ELEM))]);
pub(super) static TABLE: Schema =
    schema("NFTA_TABLE_", &["NAME", "FLAGS", "USE", "HANDLE", "PAD", "USERDATA", "OWNER"], &[]);
pub(super) static CHAIN: Schema = schema(
    "NFTA_CHAIN_",
    &[
        "TABLE", "HANDLE", "NAME", "HOOK", "POLICY", "USE", "TYPE", "COUNTERS", "PAD", "FLAGS", "ID",
        "USERDATA",
    ],
    &[("HOOK", Nest::Of(&HOOK)), ("COUNTERS", Nest::Of(&COUNTER))],
);
pub(super) static RULE: Schema = schema(
    "NFTA_RULE_",
    &[
        "TABLE",
        "CHAIN",
        "HANDLE",
        "EXPRESSIONS",
        "COMPAT",
        "POSITION",
        "USERDATA",
        "PAD",
        "ID",
        "POSITION_ID",
        "CHAIN_ID",
    ],
    &[("EXPRESSIONS", Nest::Of(&EXPRS)), ("COMPAT", Nest::Of(&RULE_COMPAT))],
);
pub(super) static SET: Schema = schema(
    "NFTA_SET_",
    &[
        "TABLE",
        "NAME",
        "FLAGS",
        "KEY_TYPE",
        "KEY_LEN",
        "DATA_TYPE",
        "DATA_LEN",
        "POLICY",
        "DESC",
        "ID",
        "TIMEOUT",
        "GC_INTERVAL",
        "USERDATA",
        "PAD",
        "OBJ_TYPE",
        "HANDLE",
        "EXPR",
        "EXPRESSIONS",
    ],
    &[("DESC", Nest::Of(&SET_DESC)), ("EXPR", Nest::Of(&EXPR)), ("EXPRESSIONS", Nest::Of(&EXPRS))],
);
pub(super) static SET_ELEM_LIST: Schema = schema(
    "NFTA_SET_ELEM_LIST_",
    &["TABLE", "SET", "ELEMENTS", "SET_ID"],
    &[("ELEMENTS", Nest::Of(&ELEMENTS))],
);
pub(super) static OBJ: Schema = schema(
    "NFTA_OBJ_",
    &["TABLE", "NAME", "TYPE", "DATA", "USE", "HANDLE", "PAD", "USERDATA"],
    &[("DATA", Nest::Object)],
);
pub(super) static FLOWTABLE: Schema = schema(
    "NFTA_FLOWTABLE_",
    &["TABLE", "NAME", "HOOK", "USE", "HANDLE", "PAD", "FLAGS"],
    &[("HOOK", Nest::Of(&FLOWTABLE_HOOK))],
);
pub(super) static GEN: Schema = schema("NFTA_GEN_", &["ID", "PROC_PID", "PROC_NAME"], &[]);
static HOOK: Schema =
    schema("NFTA_HOOK_", &["HOOKNUM", "PRIORITY", "DEV", "DEVS"], &[("DEVS", Nest::Of(&DEVICE))]);
static RULE_COMPAT: Schema = schema("NFTA_RULE_COMPAT_", &["PROTO", "FLAGS"], &[]);
static SET_DESC: Schema = schema("NFTA_SET_DESC_", &["SIZE", "CONCAT"], &[("CONCAT", Nest::Of(&FIELDS))]);
static SET_FIELD: Schema = schema("NFTA_SET_FIELD_", &["LEN"], &[]);
static SET_ELEM: Schema = schema(
    "NFTA_SET_ELEM_",
    &[
        "KEY",
        "DATA",
        "FLAGS",
        "TIMEOUT",
        "EXPIRATION",
        "USERDATA",
        "EXPR",
        "PAD",
        "OBJREF",
        "KEY_END",
        "EXPRESSIONS",
    ],
    &[
        ("KEY", Nest::Of(&DATA)),
        ("DATA", Nest::Of(&DATA)),
        ("EXPR", Nest::Of(&EXPR)),
        ("KEY_END", Nest::Of(&DATA)),
        ("EXPRESSIONS", Nest::Of(&EXPRS)),
    ],
);
static DATA: Schema = schema("NFTA_DATA_", &["VALUE", "VERDICT"], &[("VERDICT", Nest::Of(&VERDICT))]);
static VERDICT: Schema = schema("NFTA_VERDICT_", &["CODE", "CHAIN", "CHAIN_ID"], &[]);
static EXPR: Schema = schema("NFTA_EXPR_", &["NAME", "DATA"], &[("DATA", Nest::Expression)]);
static IMMEDIATE: Schema = schema("NFTA_IMMEDIATE_", &["DREG", "DATA"], &[("DATA", Nest::Of(&DATA))]);
static BITWISE: Schema = schema(
    "NFTA_BITWISE_",
    &["SREG", "DREG", "LEN", "MASK", "XOR", "OP", "DATA", "SREG2"],
    &[("MASK", Nest::Of(&DATA)), ("XOR", Nest::Of(&DATA)), ("DATA", Nest::Of(&DATA))],
);
static BYTEORDER: Schema = schema("NFTA_BYTEORDER_", &["SREG", "DREG", "OP", "LEN", "SIZE"], &[]);
static CMP: Schema = schema("NFTA_CMP_", &["SREG", "OP", "DATA"], &[("DATA", Nest::Of(&DATA))]);
static RANGE: Schema = schema(
    "NFTA_RANGE_",
    &["SREG", "OP", "FROM_DATA", "TO_DATA"],
    &[("FROM_DATA", Nest::Of(&DATA)), ("TO_DATA", Nest::Of(&DATA))],
);
static LOOKUP: Schema = schema("NFTA_LOOKUP_", &["SET", "SREG", "DREG", "SET_ID", "FLAGS"], &[]);
static DYNSET: Schema = schema(
    "NFTA_DYNSET_",
    &["SET_NAME", "SET_ID", "OP", "SREG_KEY", "SREG_DATA", "TIMEOUT", "EXPR", "PAD", "FLAGS", "EXPRESSIONS"],
    &[("EXPR", Nest::Of(&EXPR)), ("EXPRESSIONS", Nest::Of(&EXPRS))],
);
static PAYLOAD: Schema = schema(
    "NFTA_PAYLOAD_",
    &["DREG", "BASE", "OFFSET", "LEN", "SREG", "CSUM_TYPE", "CSUM_OFFSET", "CSUM_FLAGS"],
    &[],
);
static EXTHDR: Schema =
    schema("NFTA_EXTHDR_", &["DREG", "TYPE", "OFFSET", "LEN", "FLAGS", "OP", "SREG"], &[]);
static HASH: Schema = schema(
    "NFTA_HASH_",
    &["SREG", "DREG", "LEN", "MODULUS", "SEED", "OFFSET", "TYPE", "SET_NAME", "SET_ID"],
    &[],
);
static META: Schema = schema("NFTA_META_", &["DREG", "KEY", "SREG"], &[]);
static RT: Schema = schema("NFTA_RT_", &["DREG", "KEY"], &[]);
static SOCKET: Schema = schema("NFTA_SOCKET_", &["KEY", "DREG", "LEVEL"], &[]);
static CT: Schema = schema("NFTA_CT_", &["DREG", "KEY", "DIRECTION", "SREG"], &[]);
static FLOW: Schema = schema("NFTA_FLOW_", &["TABLE_NAME"], &[]);
static LIMIT: Schema = schema("NFTA_LIMIT_", &["RATE", "UNIT", "BURST", "TYPE", "FLAGS", "PAD"], &[]);
static CONNLIMIT: Schema = schema("NFTA_CONNLIMIT_", &["COUNT", "FLAGS"], &[]);
static COUNTER: Schema = schema("NFTA_COUNTER_", &["BYTES", "PACKETS", "PAD"], &[]);
static LAST: Schema = schema("NFTA_LAST_", &["SET", "MSECS", "PAD"], &[]);
static LOG: Schema =
    schema("NFTA_LOG_", &["GROUP", "PREFIX", "SNAPLEN", "QTHRESHOLD", "LEVEL", "FLAGS"], &[]);
static QUEUE: Schema = schema("NFTA_QUEUE_", &["NUM", "TOTAL", "FLAGS", "SREG_QNUM"], &[]);
static QUOTA: Schema = schema("NFTA_QUOTA_", &["BYTES", "FLAGS", "PAD", "CONSUMED"], &[]);
static SECMARK: Schema = schema("NFTA_SECMARK_", &["CTX"], &[]);
static REJECT: Schema = schema("NFTA_REJECT_", &["TYPE", "ICMP_CODE"], &[]);
static NAT: Schema = schema(
    "NFTA_NAT_",
    &["TYPE", "FAMILY", "REG_ADDR_MIN", "REG_ADDR_MAX", "REG_PROTO_MIN", "REG_PROTO_MAX", "FLAGS"],
    &[],
);
static TPROXY: Schema = schema("NFTA_TPROXY_", &["FAMILY", "REG_ADDR", "REG_PORT"], &[]);
static MASQ: Schema = schema("NFTA_MASQ_", &["FLAGS", "REG_PROTO_MIN", "REG_PROTO_MAX"], &[]);
static REDIR: Schema = schema("NFTA_REDIR_", &["REG_PROTO_MIN", "REG_PROTO_MAX", "FLAGS"], &[]);
static DUP: Schema = schema("NFTA_DUP_", &["SREG_ADDR", "SREG_DEV"], &[]);
static FWD: Schema = schema("NFTA_FWD_", &["SREG_DEV", "SREG_ADDR", "NFPROTO"], &[]);
static OBJREF: Schema =
    schema("NFTA_OBJREF_", &["IMM_TYPE", "IMM_NAME", "SET_SREG", "SET_NAME", "SET_ID"], &[]);
static FIB: Schema = schema("NFTA_FIB_", &["DREG", "RESULT", "FLAGS"], &[]);
static CT_HELPER: Schema = schema("NFTA_CT_HELPER_", &["NAME", "L3PROTO", "L4PROTO"], &[]);
static CT_TIMEOUT: Schema = schema("NFTA_CT_TIMEOUT_", &["L3PROTO", "L4PROTO", "DATA"], &[]);
static CT_EXPECT: Schema =
    schema("NFTA_CT_EXPECT_", &["L3PROTO", "L4PROTO", "DPORT", "TIMEOUT", "SIZE"], &[]);
static FLOWTABLE_HOOK: Schema =
    schema("NFTA_FLOWTABLE_HOOK_", &["NUM", "PRIORITY", "DEVS"], &[("DEVS", Nest::Of(&DEVICE))]);
static OSF: Schema = schema("NFTA_OSF_", &["DREG", "TTL", "FLAGS"], &[]);
static SYNPROXY: Schema = schema("NFTA_SYNPROXY_", &["MSS", "WSCALE", "FLAGS"], &[]);
static DEVICE: Schema = schema("NFTA_DEVICE_", &["NAME", "PREFIX"], &[]);
static XFRM: Schema = schema("NFTA_XFRM_", &["DREG", "KEY", "DIR", "SPNUM"], &[]);
static NG: Schema = schema("NFTA_NG_", &["DREG", "MODULUS", "TYPE", "OFFSET", "SET_NAME", "SET_ID"], &[]);
static TUNNEL_KEY_IP: Schema = schema("NFTA_TUNNEL_KEY_IP_", &["SRC", "DST"], &[]);
static TUNNEL_KEY_IP6: Schema = schema("NFTA_TUNNEL_KEY_IP6_", &["SRC", "DST", "FLOWLABEL"], &[]);
static TUNNEL_KEY_OPTS: Schema = schema(
    "NFTA_TUNNEL_KEY_OPTS_",
    &["VXLAN", "ERSPAN", "GENEVE"],
    &[
        ("VXLAN", Nest::Of(&TUNNEL_KEY_VXLAN)),
        ("ERSPAN", Nest::Of(&TUNNEL_KEY_ERSPAN)),
        ("GENEVE", Nest::Of(&TUNNEL_KEY_GENEVE)),
    ],
);
static TUNNEL_KEY_VXLAN: Schema = schema("NFTA_TUNNEL_KEY_VXLAN_", &["GBP"], &[]);
static TUNNEL_KEY_ERSPAN: Schema =
    schema("NFTA_TUNNEL_KEY_ERSPAN_", &["VERSION", "V1_INDEX", "V2_HWID", "V2_DIR"], &[]);
static TUNNEL_KEY_GENEVE: Schema = schema("NFTA_TUNNEL_KEY_GENEVE_", &["CLASS", "TYPE", "DATA"], &[]);
static TUNNEL_KEY: Schema = schema(
    "NFTA_TUNNEL_KEY_",
    &["ID", "IP", "IP6", "FLAGS", "TOS", "TTL", "SPORT", "DPORT", "OPTS"],
    &[
        ("IP", Nest::Of(&TUNNEL_KEY_IP)),
        ("IP6", Nest::Of(&TUNNEL_KEY_IP6)),
        ("OPTS", Nest::Of(&TUNNEL_KEY_OPTS)),
    ],
);
static TUNNEL: Schema = schema("NFTA_TUNNEL_", &["KEY", "DREG", "MODE"], &[]);
static INNER: Schema =
    schema("NFTA_INNER_", &["NUM", "TYPE", "FLAGS", "HDRSIZE", "EXPR"], &[("EXPR", Nest::Of(&EXPR))]);
static TARGET: Schema = schema("NFTA_TARGET_", &["NAME", "REV", "INFO"], &[]);
static MATCH: Schema = schema("NFTA_MATCH_", &["NAME", "REV", "INFO"], &[]);

/// The attributes of an expression by its name.
pub(super) fn of_expression(name: &str) -> Option<&'static Schema> {
    Some(match name {
        "immediate" => &IMMEDIATE,
        "bitwise" => &BITWISE,
        "byteorder" => &BYTEORDER,
        "cmp" => &CMP,
        "range" => &RANGE,
        "lookup" => &LOOKUP,
        "dynset" => &DYNSET,
        "payload" => &PAYLOAD,
        "exthdr" => &EXTHDR,
        "hash" => &HASH,
        "meta" => &META,
        "rt" => &RT,
        "socket" => &SOCKET,
        "ct" => &CT,
        "flow_offload" => &FLOW,
        "limit" => &LIMIT,
        "connlimit" => &CONNLIMIT,
        "counter" => &COUNTER,
        "last" => &LAST,
        "log" => &LOG,
        "queue" => &QUEUE,
        "quota" => &QUOTA,
        "reject" => &REJECT,
        "nat" => &NAT,
        "tproxy" => &TPROXY,
        "masq" => &MASQ,
        "redir" => &REDIR,
        "dup" => &DUP,
        "fwd" => &FWD,
        "objref" => &OBJREF,
        "fib" => &FIB,
        "osf" => &OSF,
        "synproxy" => &SYNPROXY,
        "xfrm" => &XFRM,
        "numgen" => &NG,
        "tunnel" => &TUNNEL,
        "inner" => &INNER,
        "target" => &TARGET,
        "match" => &MATCH,
        _ => return None,
    })
}

/// The attributes of an object by its type (`NFT_OBJECT_*`).
pub(super) fn of_object(kind: u32) -> Option<&'static Schema> {
    Some(match kind {
        1 => &COUNTER,
        2 => &QUOTA,
        3 => &CT_HELPER,
        4 => &LIMIT,
        5 => &CONNLIMIT,
        6 => &TUNNEL_KEY,
        7 => &CT_TIMEOUT,
        8 => &SECMARK,
        9 => &CT_EXPECT,
        10 => &SYNPROXY,
        _ => return None,
    })
}

/// Every one that the header lists.
#[cfg(test)]
pub(super) const ALL: &[&Schema] = &[
    &TABLE,
    &CHAIN,
    &RULE,
    &SET,
    &SET_ELEM_LIST,
    &OBJ,
    &FLOWTABLE,
    &GEN,
    &HOOK,
    &RULE_COMPAT,
    &SET_DESC,
    &SET_FIELD,
    &SET_ELEM,
    &DATA,
    &VERDICT,
    &EXPR,
    &IMMEDIATE,
    &BITWISE,
    &BYTEORDER,
    &CMP,
    &RANGE,
    &LOOKUP,
    &DYNSET,
    &PAYLOAD,
    &EXTHDR,
    &HASH,
    &META,
    &RT,
    &SOCKET,
    &CT,
    &FLOW,
    &LIMIT,
    &CONNLIMIT,
    &COUNTER,
    &LAST,
    &LOG,
    &QUEUE,
    &QUOTA,
    &SECMARK,
    &REJECT,
    &NAT,
    &TPROXY,
    &MASQ,
    &REDIR,
    &DUP,
    &FWD,
    &OBJREF,
    &FIB,
    &CT_HELPER,
    &CT_TIMEOUT,
    &CT_EXPECT,
    &FLOWTABLE_HOOK,
    &OSF,
    &SYNPROXY,
    &DEVICE,
    &XFRM,
    &NG,
    &TUNNEL_KEY_IP,
    &TUNNEL_KEY_IP6,
    &TUNNEL_KEY_OPTS,
    &TUNNEL_KEY_VXLAN,
    &TUNNEL_KEY_ERSPAN,
    &TUNNEL_KEY_GENEVE,
    &TUNNEL_KEY,
    &TUNNEL,
    &INNER,
    &TARGET,
    &MATCH,
];
