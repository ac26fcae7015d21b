//! x
/// x
pub fn parse() {}
/// x
pub struct FunctionBody;
/// x
pub struct ParsedModule;
