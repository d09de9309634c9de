//! `$((...))`: integers, variables, the operators of C that shells are used with.

/// Evaluates an expression; `get` looks variables up.
pub(crate) fn evaluate(text: &str, get: &dyn Fn(&str) -> String) -> Result<i64, String> {
    let mut parser = Parser { text: text.as_bytes(), at: 0, get, depth: 0 };
    let value = parser.binary(0)?;
    parser.space();
    if parser.at < parser.text.len() {
        return Err(format!("arithmetic syntax error: {text}"));
    }
    Ok(value)
}

/// Deepest nesting of parentheses and signs.
const DEPTH_MAX: usize = 100;

/// Operators by level, loosest first; longer ones before their beginnings.
const LEVELS: [&[&str]; 10] = [
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    get: &'a dyn Fn(&str) -> String,
    depth: usize,
}

impl Parser<'_> {
    fn space(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn operator(&mut self, level: usize) -> Option<&'static str> {
        self.space();
        let rest = &self.text[self.at..];
        let op = LEVELS[level].iter().find(|op| rest.starts_with(op.as_bytes()))?;
        // `<` of `<<`, `&` of `&&` and so on belong to other levels.
        let longer = op.len() == 1 && "<>&|".contains(op) && rest.get(1) == Some(&op.as_bytes()[0]);
        if longer {
            return None;
        }
        self.at += op.len();
        Some(op)
    }

    fn binary(&mut self, level: usize) -> Result<i64, String> {
        if level == LEVELS.len() {
            return self.unary();
        }
        let mut left = self.binary(level + 1)?;
        while let Some(op) = self.operator(level) {
            let right = self.binary(level + 1)?;
            left = apply(op, left, right)?;
        }
        if level == 0 {
            self.space();
            if self.text.get(self.at) == Some(&b'?') {
                self.at += 1;
                let yes = self.binary(0)?;
                self.space();
                if self.text.get(self.at) != Some(&b':') {
                    return Err("arithmetic syntax error: ':' expected".to_owned());
                }
                self.at += 1;
                let no = self.binary(0)?;
                return Ok(if left != 0 { yes } else { no });
            }
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<i64, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("arithmetic expression nested too deeply".to_owned());
        }
        self.space();
        let value = match self.text.get(self.at) {
            Some(b'-') => {
                self.at += 1;
                self.unary()?.wrapping_neg()
            }
            Some(b'+') => {
                self.at += 1;
                self.unary()?
            }
            Some(b'!') => {
                self.at += 1;
                i64::from(self.unary()? == 0)
            }
            Some(b'~') => {
                self.at += 1;
                !self.unary()?
            }
            Some(b'(') => {
                self.at += 1;
                let value = self.binary(0)?;
                self.space();
                if self.text.get(self.at) != Some(&b')') {
                    return Err("arithmetic syntax error: ')' expected".to_owned());
                }
                self.at += 1;
                value
            }
            _ => self.atom()?,
        };
        self.depth -= 1;
        Ok(value)
    }

    fn atom(&mut self) -> Result<i64, String> {
        let start = self.at;
        while self.text.get(self.at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_') {
            self.at += 1;
        }
        let word = String::from_utf8_lossy(&self.text[start..self.at]).into_owned();
        match word.bytes().next() {
            None => Err("arithmetic syntax error: operand expected".to_owned()),
            Some(b) if b.is_ascii_digit() => number(&word),
            Some(_) => {
                let value = (self.get)(&word);
                if value.trim().is_empty() { Ok(0) } else { number(value.trim()) }
            }
        }
    }
}

fn number(text: &str) -> Result<i64, String> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let parsed = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => i64::from_str_radix(hex, 16),
        None if digits.len() > 1 && digits.starts_with('0') => i64::from_str_radix(digits, 8),
        None => digits.parse(),
    };
    parsed.map(|n| n.wrapping_mul(sign)).map_err(|_| format!("bad number: {text}"))
}

fn apply(op: &str, a: i64, b: i64) -> Result<i64, String> {
    Ok(match op {
        "||" => i64::from(a != 0 || b != 0),
        "&&" => i64::from(a != 0 && b != 0),
        "|" => a | b,
        "^" => a ^ b,
        "&" => a & b,
        "==" => i64::from(a == b),
        "!=" => i64::from(a != b),
        "<=" => i64::from(a <= b),
        ">=" => i64::from(a >= b),
        "<" => i64::from(a < b),
        ">" => i64::from(a > b),
        "<<" => a.wrapping_shl(b as u32),
        ">>" => a.wrapping_shr(b as u32),
        "+" => a.wrapping_add(b),
        "-" => a.wrapping_sub(b),
        "*" => a.wrapping_mul(b),
        "/" | "%" if b == 0 => return Err("divide by zero".to_owned()),
        "/" => a.wrapping_div(b),
        _ => a.wrapping_rem(b),
    })
}
