use super::*;

/// The parts of a body that arrives in pieces of `step` bytes: names, whether they are files, and contents.
fn parts(body: &[u8], step: usize) -> Result<Vec<(String, bool, Vec<u8>)>, Malformed> {
    let mut multipart = Multipart::new("xyz");
    let (mut parts, mut current) = (Vec::new(), None);
    for piece in body.chunks(step) {
        multipart.push(piece, |event| {
            match event {
                Event::Begin(head) => current = Some((head.name, head.is_file, Vec::new())),
                Event::Content(bytes) => current.as_mut().unwrap().2.extend_from_slice(bytes),
                Event::End => parts.extend(current.take()),
            }
            Ok::<(), Malformed>(())
        })?;
        assert!(multipart.pending.len() <= MAX_PART_HEAD.max(step), "{}", multipart.pending.len());
    }
    multipart.finish()?;
    Ok(parts)
}

fn check(body: &str, expected: Result<&[(&str, bool, &str)], &str>) {
    for step in 1..=body.len().max(1) {
        match (parts(body.as_bytes(), step), expected) {
            (Ok(found), Ok(expected)) => {
                let expected: Vec<_> = expected
                    .iter()
                    .map(|(name, is_file, content)| ((*name).to_owned(), *is_file, content.as_bytes().to_vec()))
                    .collect();
                assert_eq!(found, expected, "{body:?} in steps of {step}");
            }
            (Err(Malformed(sentence)), Err(expected)) => assert!(sentence.contains(expected), "{body:?}: {sentence}"),
            (found, expected) => panic!("{body:?} in steps of {step}: {found:?}, expected {expected:?}"),
        }
    }
}

const FIELD: &str = "Content-Disposition: form-data; name=\"path\"\r\n\r\n";
const FILE: &str =
    "Content-Disposition: form-data; name=\"file\"; filename=\"a.zip\"\r\nContent-Type: application/zip\r\n\r\n";

#[test]
fn parts_are_the_same_however_the_body_is_split() {
    check(
        &format!("--xyz\r\n{FIELD}/a\r\n--xyz\r\n{FILE}PK\r\n--xyz--\r\n"),
        Ok(&[("path", false, "/a"), ("file", true, "PK")]),
    );
    check(&format!("--xyz\r\n{FILE}\r\n--xyz--"), Ok(&[("file", true, "")]));
    check(
        &format!("--xyz\r\n{FILE}\r\n\r--xyz\r\n--xy\r\r\n-\r\n--xyz--tail"),
        Ok(&[("file", true, "\r\n\r--xyz\r\n--xy\r\r\n-")]),
    );
    check(&format!("a preamble\r\n--xyz \t\r\n{FIELD}1\r\n--xyz--"), Ok(&[("path", false, "1")]));
    check("--xyz--", Ok(&[]));
}

#[test]
fn a_malformed_body_is_refused_however_it_is_split() {
    check("", Err("ends before"));
    check("--xyz", Err("ends before"));
    check(&format!("--xyz\r\n{FIELD}1\r\n--xyz\r\n"), Err("ends before"));
    check(&format!("--xyz\r\n{FILE}PK\r\n--xyz-"), Err("ends before"));
    check("--xyzz\r\n", Err("not followed by"));
    check(&format!("--xyz\r\n{FIELD}1\r\n--xyz-x"), Err("not followed by"));
    check("--xyz\r\nContent-Type: a\r\n\r\n", Err("exactly one"));
    check("--xyz\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\n", Err("must be form-data"));
    check("--xyz\r\nContent-Disposition: form-data\r\n\r\n", Err("must be form-data"));
    check("--xyz\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n", Err("must be form-data"));
    check(&format!("--xyz\r\n{}{FIELD}", &FIELD[..FIELD.len() - 2]), Err("exactly one"));
    check(&"p".repeat(1100), Err("does not begin"));
    check(&format!("--xyz\r\nA: {}", "a".repeat(4200)), Err("exceeds 4 KiB"));
}

#[test]
fn names_are_read_like_those_of_browsers_and_of_php() {
    let table = [
        ("form-data; name=\"file\"; filename=\"a;b\\\".zip\"", "file", true),
        ("form-data; name=path", "path", false),
        ("FORM-DATA; Name=\"a=b; c\"", "a=b; c", false),
        ("form-data; filename*=UTF-8''a; name=\"file\"", "file", true),
        ("form-data;name=\"x\"", "x", false),
    ];
    for (disposition, name, is_file) in table {
        let head = format!("Content-Length: 3\r\ncontent-disposition: {disposition}\r\n\r\n");
        let expected = (PartHead { name: name.to_owned(), is_file }, head.len());
        assert_eq!(part_head(head.as_bytes()), Ok(Some(expected)), "{disposition}");
    }
}

#[test]
fn the_boundary_comes_from_the_content_type() {
    let table = [
        ("multipart/form-data; boundary=abc", Some(Ok("abc"))),
        ("Multipart/Form-Data; charset=utf-8; BOUNDARY=\"a b;c\"", Some(Ok("a b;c"))),
        ("multipart/form-data", Some(Err(()))),
        ("multipart/form-data; boundary=", Some(Err(()))),
        ("multipart/form-data; boundary=\"a \"", Some(Err(()))),
        ("multipart/mixed; boundary=abc", None),
        ("application/json", None),
        ("", None),
    ];
    for (content_type, expected) in table {
        let found = boundary(content_type).map(|found| found.map_err(|_| ()));
        assert_eq!(found, expected.map(|found| found.map(str::to_owned)), "{content_type}");
    }
    assert!(boundary(&format!("multipart/form-data; boundary={}", "a".repeat(71))).is_some_and(|found| found.is_err()));
}
