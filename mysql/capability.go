package mysql

// Capability is the set of flags that both sides exchange in the connection
// phase. MySQL: page "Capabilities Flags" of the internals manual.
type Capability uint32

// The flags that this package uses or its callers may ask for.
const (
	LongPassword    Capability = 1 << 0 // MariaDB clears it in its greeting to say that four bytes of its own flags follow
	FoundRows       Capability = 1 << 1
	LongFlag        Capability = 1 << 2
	ConnectWithDB   Capability = 1 << 3
	Compress        Capability = 1 << 5
	LocalFiles      Capability = 1 << 7 // never asked for: the server could read the client's files
	Protocol41      Capability = 1 << 9
	SSL             Capability = 1 << 11
	Transactions    Capability = 1 << 13
	SecureConn      Capability = 1 << 15
	MultiStatements Capability = 1 << 16
	MultiResults    Capability = 1 << 17
	PluginAuth      Capability = 1 << 19
	ConnectAttrs    Capability = 1 << 20
	LenencAuth      Capability = 1 << 21
	DeprecateEOF    Capability = 1 << 24
)

// wanted is what a login asks for where the server has it.
const wanted = LongFlag | Protocol41 | Transactions | SecureConn | MultiResults | PluginAuth | ConnectAttrs | LenencAuth | DeprecateEOF

// required is what a login cannot do without.
const required = Protocol41 | SecureConn | PluginAuth

// Has reports whether all of want are in c.
func (c Capability) Has(want Capability) bool { return c&want == want }
