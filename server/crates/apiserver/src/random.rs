//! Names and numbers that look random but follow from the request's seed, so that a run can be repeated.

/// Letters of generated name suffixes: no vowels and no look-alikes (`k8s.io/apimachinery/pkg/util/rand`).
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// Characters of a generated suffix.
const SUFFIX_LEN: usize = 5;
/// The longest name that a suffix is appended to (`apiserver/pkg/storage/names`).
const MAX_BASE_LEN: usize = 63 - SUFFIX_LEN;

/// SplitMix64: every seed gives a good sequence.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// A sequence of its own for one purpose within a request.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        let salt = purpose
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        Self(seed ^ salt)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    /// Five letters for a generated name.
    pub(crate) fn suffix(&mut self) -> String {
        let letter = |n: u64| LETTERS.get(n as usize).map_or('x', |b| char::from(*b));
        (0..SUFFIX_LEN)
            .map(|_| letter(self.below(LETTERS.len() as u64)))
            .collect()
    }

    /// `metadata.generateName` with a suffix, cut to what a label allows.
    pub(crate) fn name(&mut self, base: &str) -> String {
        let end = (0..=base.len().min(MAX_BASE_LEN))
            .rev()
            .find(|i| base.is_char_boundary(*i));
        format!(
            "{}{}",
            base.get(..end.unwrap_or(0)).unwrap_or_default(),
            self.suffix()
        )
    }

    /// A version 4 UUID (RFC 9562 section 5.4).
    pub(crate) fn uid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            a >> 16 & 0xffff,
            a & 0xfff,
            0x8000 | (b >> 48 & 0x3fff),
            b & 0xffff_ffff_ffff
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        let draw = |seed| {
            let mut random = Random::new(seed, "x");
            (random.uid(), random.name("web-"), random.below(10))
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1).0, draw(2).0);
        let (uid, name, _) = draw(3);
        assert_eq!((uid.len(), name.len()), (36, 9));
        assert_eq!(uid.get(14..15), Some("4"));
    }

    #[test]
    fn long_names_are_cut_at_a_character() {
        let mut random = Random::new(1, "x");
        assert_eq!(random.name(&"a".repeat(300)).len(), 63);
        assert!(random.name(&"ü".repeat(300)).len() <= 63);
    }
}
