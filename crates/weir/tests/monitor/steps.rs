//! Files of event tests: lines of input, of text and of JSON, step by step.

/// Commands that are given together, and what is told of them.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// Commands (`I`).
    pub(crate) input: Vec<String>,
    /// Lines of text (`O`); `O -` are the commands themselves.
    pub(crate) text: Vec<String>,
    /// Lines of JSON (`J`).
    pub(crate) json: Vec<String>,
}

impl Step {
    /// The lines that an echo tells too: what was made; of a replaced rule also that it went.
    pub(crate) fn echoed(&self, lines: &[String]) -> Vec<String> {
        let replaces = self.input.iter().any(|line| line.starts_with("replace"));
        let made = |line: &&String| !line.starts_with("delete") && !line.starts_with("{\"delete\"");
        lines.iter().filter(|line| replaces || made(line)).cloned().collect()
    }
}

/// The steps of a file. A step is complete when input follows what is told.
pub(crate) fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines() {
        let Some((letter, rest)) = line.split_once(' ') else { continue };
        let told = steps.last().is_none_or(|step| !step.text.is_empty() || !step.json.is_empty());
        if letter == "I" && told {
            steps.push(Step::default());
        }
        let Some(step) = steps.last_mut() else { continue };
        match (letter, rest) {
            ("I", _) => step.input.push(rest.to_owned()),
            ("O", "-") => step.text = step.input.clone(),
            ("O", _) => step.text.push(rest.to_owned()),
            ("J", _) => step.json.push(rest.to_owned()),
            _ => {}
        }
    }
    steps
}

#[test]
fn a_step_ends_where_input_follows() {
    let steps = steps("# setup\nI add table ip t\nI add x\nO -\nJ {}\n\nI delete table ip t\nO -\n");
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[0].text, ["add table ip t", "add x"]);
    assert_eq!(steps[0].json, ["{}"]);
    assert!(steps[1].echoed(&steps[1].text).is_empty());
}
