//! Any text: the lexer reaches its end, and no token lies outside the text.
#![no_main]

use ironweir_language::lex::{Lexer, TokenKind};
use ironweir_language::source::Sources;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut sources = Sources::new();
    let Some(source) = sources.add("fuzz", text, None) else { return };
    let (mut lexer, mut warnings) = (Lexer::new(source), Vec::new());
    let mut end = 0;
    loop {
        let token = lexer.next(text, &mut warnings);
        assert!(token.span.start >= end && token.span.end as usize <= text.len());
        assert!(text.get(token.span.start as usize..token.span.end as usize).is_some());
        if token.kind == TokenKind::End {
            break;
        }
        assert!(token.span.end > token.span.start, "a token without a character");
        end = token.span.end;
    }
});
