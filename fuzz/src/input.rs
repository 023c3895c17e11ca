//! Splits a fuzzer's input into the values that a check needs.

/// The rest of an input.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// The whole input.
    pub fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    /// Takes one byte; 0 at the end.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Takes a number of two bytes.
    pub fn number(&mut self) -> usize {
        usize::from(self.byte()) << 8 | usize::from(self.byte())
    }

    /// Takes a line, without its end.
    pub fn line(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == b'\n').unwrap_or(self.0.len());
        let (line, rest) = self.0.split_at(end);
        self.0 = rest.strip_prefix(b"\n").unwrap_or(rest);
        line
    }

    /// Takes a line as text.
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(self.line()).into_owned()
    }

    /// Takes the rest.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// Flips one bit of `bytes` at `place`, modulo the length; none if `bytes` is empty.
pub fn with_a_changed_byte(bytes: &[u8], place: usize, bit: u8) -> Option<Vec<u8>> {
    let mut changed = bytes.to_vec();
    let index = place.checked_rem(bytes.len())?;
    *changed.get_mut(index)? ^= 1 << (bit % 8);
    Some(changed)
}
