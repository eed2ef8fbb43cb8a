#!/bin/bash
# Seeds for the fuzz targets, in corpus/: a ruleset for each rule of the project's own cases, the examples, and where
# it is there the conformance data ($IRONWEIR_SHARED, else ../../shared). corpus/nft.dict gets the words of them all.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p corpus/{lexer,parser,json,raise,netlink,server}
shared="${IRONWEIR_SHARED:-../../shared}/corpus"

number=0 setup= place=
for file in ../crates/language/tests/cases/*.txt; do
	while IFS= read -r line; do
		case "$line" in
		"@ "*)
			read -r family chain spec <<<"${line#@ }"
			place="$family t $chain"
			setup="add table $family t"$'\n'"add chain $place${spec:+ { $spec; \}}"$'\n'
			;;
		"+ "*) setup+="${line#+ }"$'\n' ;;
		"> "*)
			number=$((number + 1))
			printf '%sadd rule %s %s\n' "$setup" "$place" "${line#> }" >"corpus/parser/case$number"
			;;
		esac
	done <"$file"
done
cp ../examples/*/rules.nft corpus/parser/ --backup=numbered
if [ -d "$shared" ]; then
	number=0
	while IFS= read -r file; do
		number=$((number + 1))
		cp "$file" "corpus/parser/dump$number"
	done < <(find "$shared/dumps" "$shared/features" "$shared/bogons/nft-f" -type f ! -name '*.json-nft' ! -name '*.nodump' -size -8k | sort)
	for family in ip ip6 inet arp bridge netdev; do
		cat "$shared"/py/{any,$family}/*.t | grep -E ';(ok|fail)' | cut -d';' -f1 | split -l 3 - "corpus/rules.$family."
		for file in corpus/rules."$family".*; do
			{
				printf 'add table %s t\nadd chain %s t c\n' $family $family
				sed "s/^/add rule $family t c /" "$file"
			} >"corpus/parser/${file#corpus/}"
			rm "$file"
		done
	done
else
	echo "no conformance data at $shared: seeds are the project's own" >&2
fi
cp corpus/parser/* corpus/lexer/
# A rule alone, behind the letter of its family (fuzz_targets/raise.rs).
cat corpus/parser/* | grep -aE '^add rule [a-z0-9]+ t c ' | sort -u | awk '{
	letter = substr("@ABCDE", index("inet  ip    arp   netdevbridgeip6   ", $3) / 6 + 1, 1)
	rule = $0; sub(/^add rule [a-z0-9]+ t c /, "", rule)
	file = sprintf("corpus/raise/rule%d", NR); printf "%s%s", letter, rule >file; close(file)
}'
cat corpus/parser/* | grep -oE '[a-zA-Z][a-zA-Z0-9_-]{1,20}' | sort | uniq -c | awk '$1 > 2 { print "\"" $2 "\"" }' >corpus/nft.dict

weir=(cargo run --quiet --manifest-path ../Cargo.toml --bin weir --)
for file in corpus/parser/*; do
	{ cat "$file"; printf '\nlist ruleset\n'; } >corpus/input.nft
	"${weir[@]}" nft --engine new -j -f corpus/input.nft >"corpus/json/${file##*/}" 2>/dev/null || rm -f "corpus/json/${file##*/}"
done
if [ -d "$shared" ]; then
	find "$shared/dumps" "$shared/bogons/nft-j-f" -type f -size -8k \( -name '*.json-nft' -o -path '*nft-j-f*' \) -exec cp --backup=numbered -t corpus/json {} +
fi
rm -f corpus/input.nft
cargo run --quiet --example netlink_seeds -- corpus/netlink corpus/server corpus/parser/*
