//! Arguments, read once into a typed task.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser};

use crate::actions::Change;
use crate::commands::forms::{self, Choice, Form};
use crate::commands::slips;
use crate::commands::task::{Command, NewTerms, Task};
use crate::commands::values::{self, shown};
use crate::model::{Billing, Plan};
use crate::settings::DEFAULT_PATH;

/// Reads the arguments, the program's name first.
///
/// # Errors
/// A sentence that says which of them is wrong, and where to read more.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let given = Given::read(arguments);
    if given.flag("help") {
        let forms = matching(&given.words);
        return Ok(Command::Help(if given.words.is_empty() || forms.is_empty() { None } else { Some(forms) }));
    }
    let found = find(&given.words);
    let more = |sentence: String| format!("{sentence}\nTry: opterius-license-server --help");
    let usage = |form: &Form, sentence: String| format!("{sentence}\nUsage: opterius-license-server {}", form.usage());
    match (&given.trouble, found) {
        (Some(trouble), Ok(form)) => Err(usage(form, trouble.sentence(Some(form)))),
        (Some(trouble), Err(_)) => Err(more(trouble.sentence(None))),
        (None, _) if given.flag("version") => Ok(Command::Version),
        (None, Err(sentence)) => Err(more(sentence)),
        (None, Ok(form)) => {
            given.fits(form).and_then(|()| given.command(form)).map_err(|sentence| usage(form, sentence))
        }
    }
}

/// The commands that begin with these words.
fn matching(words: &[OsString]) -> Vec<&'static Form> {
    let begins = |form: &&Form| form.words.iter().zip(words).all(|(word, given)| *word == given.as_os_str());
    forms::all().filter(begins).collect()
}

fn find(words: &[OsString]) -> Result<&'static Form, String> {
    let Some(first) = words.first() else { return Err("a command is missing".to_owned()) };
    let found = matching(words);
    if let Some(form) = found.iter().find(|form| form.words.len() <= words.len()) {
        return Ok(form);
    }
    let second = words.get(1).map(|word| word.to_string_lossy());
    Err(slips::no_command(&first.to_string_lossy(), second.as_deref()))
}

/// What is wrong with an option by itself.
enum Trouble {
    /// No command has it; as it was typed.
    Unknown(String),
    Sentence(String),
}

impl Trouble {
    fn sentence(&self, form: Option<&Form>) -> String {
        match self {
            Self::Unknown(typed) => slips::no_option(typed, form),
            Self::Sentence(sentence) => sentence.clone(),
        }
    }
}

/// The arguments, not yet understood.
struct Given {
    words: Vec<OsString>,
    options: Vec<(&'static str, Option<OsString>)>,
    /// The first thing that is wrong. All is read nevertheless: what command it is tells what may have been meant.
    trouble: Option<Trouble>,
}

impl Given {
    fn read(arguments: impl IntoIterator<Item = OsString>) -> Self {
        let mut given = Self { words: Vec::new(), options: Vec::new(), trouble: None };
        let mut parser = Parser::from_iter(arguments);
        loop {
            match parser.next() {
                Ok(Some(Arg::Value(word))) => given.words.push(word),
                Ok(Some(Arg::Short('h'))) => given.options.push(("help", None)),
                Ok(Some(Arg::Short('V'))) => given.options.push(("version", None)),
                Ok(Some(Arg::Short(letter))) => {
                    // `-owner` is meant to be one word.
                    let rest = parser.optional_value().unwrap_or_default();
                    given.wrong(Trouble::Unknown(format!("-{letter}{}", rest.to_string_lossy())));
                }
                Ok(Some(Arg::Long(name))) => {
                    let name = name.to_owned();
                    given.option(&name, &mut parser);
                }
                Ok(None) => break,
                Err(error) => {
                    given.wrong(Trouble::Sentence(error.to_string()));
                    break;
                }
            }
        }
        given.take_help();
        given
    }

    fn option(&mut self, name: &str, parser: &mut Parser) {
        let Some(Choice { name, value, .. }) = forms::find_option(name) else {
            let _ = parser.optional_value();
            return self.wrong(Trouble::Unknown(format!("--{name}")));
        };
        if self.flag(name) {
            self.wrong(Trouble::Sentence(format!("--{name} is given twice")));
        }
        match value.map(|value| parser.value().map_err(|_| value)) {
            Some(Err(value)) => self.wrong(Trouble::Sentence(format!("--{name} needs {value} after it"))),
            Some(Ok(value)) => self.options.push((name, Some(value))),
            None => self.options.push((name, None)),
        }
    }

    fn wrong(&mut self, trouble: Trouble) {
        self.trouble.get_or_insert(trouble);
    }

    /// `help` in front, or after the first word of commands of two words, is `--help`.
    fn take_help(&mut self) {
        let is_help = |word: Option<&OsString>| word.is_some_and(|word| word == "help");
        let before = self.words.len().saturating_sub(1);
        if is_help(self.words.first()) {
            self.words.remove(0);
        } else if is_help(self.words.last())
            && matching(self.words.get(..before).unwrap_or_default()).iter().all(|form| form.words.len() > before)
        {
            self.words.pop();
        } else {
            return;
        }
        self.options.push(("help", None));
    }

    /// Whether the command has these operands and these options.
    fn fits(&self, form: &Form) -> Result<(), String> {
        let operands = self.words.get(form.words.len()..).unwrap_or_default();
        let required = form.operands.iter().filter(|operand| !operand.starts_with('[')).count();
        if let Some(missing) = form.operands.get(operands.len()).filter(|_| operands.len() < required) {
            return Err(format!("{missing} is missing"));
        }
        if let Some(extra) = operands.get(form.operands.len()) {
            return Err(format!("“{}” is not expected here", shown(&extra.to_string_lossy())));
        }
        let is_known = |name: &str| {
            forms::EVERYWHERE.iter().any(|choice| choice.name == name)
                || form.choices().any(|choice| choice.name == name)
        };
        if let Some((foreign, _)) = self.options.iter().find(|(name, _)| !is_known(name)) {
            return Err(format!("--{foreign} does not go with {}", form.words.join(" ")));
        }
        match form.choices().find(|choice| choice.required && !self.flag(choice.name)) {
            Some(missing) => Err(format!("--{} {} is missing", missing.name, missing.value.unwrap_or_default())),
            None => Ok(()),
        }
    }

    fn command(&self, form: &Form) -> Result<Command, String> {
        let config = self.raw("config").map_or_else(|| PathBuf::from(DEFAULT_PATH), PathBuf::from);
        match form.words {
            ["serve"] => Ok(Command::Serve { config }),
            words => Ok(Command::Task { config, task: self.task(words)? }),
        }
    }

    fn task(&self, words: &[&str]) -> Result<Task, String> {
        // Everything that the command line names follows the words.
        let operand = |index: usize| self.operand(words.len().saturating_add(index));
        let license = || values::named(&operand(0)?);
        let json = self.flag("json");
        let change = |change| Ok(Task::ChangeLicense { license: license()?, change });
        match words {
            ["init"] => Ok(Task::Init),
            ["check"] => Ok(Task::Check { json }),
            ["backup"] => Ok(Task::Backup { file: self.words.last().map(PathBuf::from).unwrap_or_default() }),
            ["license", "create"] => Ok(Task::CreateLicense { owner: self.needed("owner")?, new: self.terms()?, json }),
            ["license", "list"] => Ok(Task::ListLicenses {
                owner: self.text("owner")?,
                search: self.text("search")?,
                all: self.flag("all"),
                json,
            }),
            ["license", "show"] => {
                Ok(Task::ShowLicense { license: license()?, reveal_key: self.flag("reveal-key"), json })
            }
            ["license", "suspend"] => change(Change::Suspend),
            ["license", "resume"] => change(Change::Resume),
            ["license", "cancel"] => change(Change::Cancel),
            ["license", "delete"] => Ok(Task::DeleteLicense { license: license()?, confirmed: self.flag("yes") }),
            ["license", "renew"] => change(Change::Renew(values::date_or_never(&self.needed("until")?)?)),
            ["license", "set-plan"] => change(Change::SetPlan(operand(1)?)),
            ["license", "lock-ip"] => change(Change::LockIp(values::ip(&operand(1)?)?)),
            ["license", "unlock-ip"] => change(Change::UnlockIp),
            ["license", "set-billing"] => change(Change::SetBilling(self.billing()?)),
            ["license", "revoke"] => Ok(Task::Revoke { license: license()?, ip: values::ip(&operand(1)?)? }),
            ["license", "move"] => {
                let (from, to) = (values::ip(&operand(1)?)?, values::ip(&operand(2)?)?);
                Ok(Task::Move { license: license()?, from, to })
            }
            ["history"] => {
                let license = if self.words.len() > words.len() { Some(license()?) } else { None };
                Ok(Task::History { license, all: self.flag("all"), json })
            }
            ["plan", "list"] => Ok(Task::ListPlans { json }),
            ["plan", "set"] => Ok(Task::SetPlan(self.plan(operand(0)?)?)),
            ["user", "list"] => Ok(Task::ListUsers { json }),
            ["user", "add"] => Ok(Task::AddUser { name: operand(0)?, administrator: self.flag("administrator") }),
            ["user", "passwd"] => Ok(Task::SetPassword { name: operand(0)? }),
            ["keys", "show"] => Ok(Task::ShowKeys { json }),
            ["keys", "rotate"] => Ok(Task::RotateKeys { json }),
            ["keys", "retire"] => Ok(Task::RetireKeys { forced: self.flag("force"), json }),
            words => Err(format!("“{}” is in the help only", words.join(" "))),
        }
    }

    fn terms(&self) -> Result<NewTerms, String> {
        let expires_at = self.text("expires")?.map(|text| values::date_or_never(&text)).transpose()?.flatten();
        let locked_ip = self.text("lock-ip")?.map(|text| values::ip(&text)).transpose()?;
        Ok(NewTerms { plan: self.needed("plan")?, expires_at, locked_ip })
    }

    fn plan(&self, slug: String) -> Result<Plan, String> {
        let limit = |name| values::integer(name, &self.needed(name)?, u32::MAX);
        let (max_accounts, max_servers) = (limit("max-accounts")?, limit("max-servers")?);
        Ok(Plan { slug, name: self.needed("title")?, max_accounts, max_servers })
    }

    fn billing(&self) -> Result<Billing, String> {
        let status = self.needed("status")?;
        let current_period_end = self.text("period-end")?.map(|text| values::date(&text)).transpose()?;
        let ends = self.flag("cancel-at-period-end");
        match status.as_str() {
            "none" if current_period_end.is_some() || ends => {
                Err("--period-end and --cancel-at-period-end tell of a subscription, and --status none of none"
                    .to_owned())
            }
            "none" => Ok(Billing::default()),
            "active" | "past_due" | "trialing" | "canceled" => {
                Ok(Billing { subscription_status: Some(status), cancel_at_period_end: Some(ends), current_period_end })
            }
            other => Err(format!("--status “{}” must be active, past_due, trialing, canceled or none", shown(other))),
        }
    }

    /// Whether the option is given.
    fn flag(&self, name: &str) -> bool {
        self.options.iter().any(|(given, _)| *given == name)
    }

    fn raw(&self, name: &str) -> Option<&OsString> {
        self.options.iter().find(|(given, _)| *given == name).and_then(|(_, value)| value.as_ref())
    }

    fn text(&self, name: &str) -> Result<Option<String>, String> {
        let utf8 = |value: &OsString| value.to_str().map(str::to_owned).ok_or_else(|| format!("--{name} is not UTF-8"));
        self.raw(name).map(utf8).transpose()
    }

    fn needed(&self, name: &str) -> Result<String, String> {
        self.text(name)?.ok_or_else(|| format!("--{name} is missing"))
    }

    fn operand(&self, index: usize) -> Result<String, String> {
        let word = self.words.get(index).ok_or("an operand is missing")?;
        word.to_str().map(str::to_owned).ok_or_else(|| format!("“{}” is not UTF-8", shown(&word.to_string_lossy())))
    }
}

#[cfg(test)]
#[path = "parsing_tests.rs"]
mod tests;
