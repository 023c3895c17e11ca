use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    Token,
    Size,
    Place,
    Names,
}

impl Key for Tool {
    const SUBJECT: &'static str = "the tool";
    const VITAL: &'static [&'static str] = &["token"];
    const KEYS: &'static [(&'static str, Self)] =
        &[("token", Self::Token), ("size", Self::Size), ("place", Self::Place), ("names", Self::Names)];
}

fn parsed(text: &str) -> Result<(Entries<'_, Tool>, Vec<String>), Error> {
    let mut warnings = Vec::new();
    Entries::parse(text, "tool.conf", &mut warnings).map(|entries| (entries, warnings))
}

#[test]
fn common_ways_to_write_a_line_are_understood() {
    let text = "\u{feff}# a comment\r\n\u{200b}\r\n \u{feff}\u{200b}TOKEN\u{200b} = \"a # b\" \r\nsize='7'\r\nplace=\r\nnames=a.example, b.example";
    let (entries, warnings) = parsed(text).unwrap();
    let token = entries.entry(Tool::Token).unwrap();
    assert_eq!((token.key, token.value, token.line), ("TOKEN", "a # b", 3));
    assert_eq!(entries.integer(Tool::Size, 1_u8, 0, 9), Ok(7));
    assert_eq!(entries.absolute_path(Tool::Place, "/there"), Ok(PathBuf::from("/there")), "empty is the default");
    assert_eq!(entries.host_names(Tool::Names), Ok(vec!["a.example".to_owned(), "b.example".to_owned()]));
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn tolerated_mistakes_are_warnings() {
    let (entries, warnings) = parsed("size=1\nsize=2\ncolour=red\n").unwrap();
    assert_eq!(entries.integer(Tool::Size, 0_u8, 0, 9), Ok(2));
    assert_eq!(
        warnings,
        [
            "tool.conf:2: size overrides the value in line 1",
            "tool.conf:3: “colour” is not a key of the tool; the line is ignored"
        ]
    );
}

#[test]
fn an_error_names_file_line_and_key() {
    let table = [
        (
            "words\n",
            "tool.conf:1: this line is not key=value; start comments with #, and write a value in the line of its key",
        ),
        ("token: a\n", "tool.conf:1: this line is not key=value; write token=… with an equals sign"),
        ("“size a”\n", "tool.conf:1: this line is not key=value; write size=… with an equals sign"),
        ("token＝a\n", "tool.conf:1: this line is not key=value; write token=… with an equals sign"),
        (
            "“token=a”\n",
            "tool.conf:1: ““token” is not a key: write token=… without quotes or other characters around the line",
        ),
        (
            "\"token=a\"\n",
            "tool.conf:1: “\"token” is not a key: write token=… without quotes or other characters around the line",
        ),
        ("\ntokn=x\n", "tool.conf:2: “tokn” is not a key. Did you mean “token”?"),
        ("size=10\n", "tool.conf:1: size “10” must be a whole number from 0 to 9"),
        ("Place=here\n", "tool.conf:1: Place “here” must be an absolute path"),
        ("names=a:1\n", "tool.conf:1: names “a:1” is not a host name; separate names with commas, without ports"),
    ];
    for (text, expected) in table {
        let error = parsed(text).and_then(|(entries, _)| {
            entries.integer(Tool::Size, 0_u8, 0, 9)?;
            entries.absolute_path(Tool::Place, "/")?;
            entries.host_names(Tool::Names)
        });
        assert_eq!(error, Err(Error::Invalid(expected.to_owned())), "{text}");
    }
}

#[test]
fn the_error_for_a_missing_file_says_how_to_create_it() {
    let sentence = read(Path::new("/no/such/tool.conf"), "Create it with a token").unwrap_err().to_string();
    assert_eq!(
        sentence,
        "/no/such/tool.conf: there is no such file. Create it with a token, or name another with --config PATH"
    );
}
