#!/bin/bash
# Seeds for the fuzz targets, in corpus/: a ruleset for each rule of the project's own cases, and the examples.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p corpus/{lexer,parser,json,raise}

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
cp corpus/parser/* corpus/lexer/

weir=(cargo run --quiet --manifest-path ../Cargo.toml --bin weir --)
for file in corpus/parser/*; do
	{ cat "$file"; printf '\nlist ruleset\n'; } >corpus/input.nft
	"${weir[@]}" nft --engine new -j -f corpus/input.nft >"corpus/json/${file##*/}" 2>/dev/null || rm -f "corpus/json/${file##*/}"
done
rm -f corpus/input.nft
