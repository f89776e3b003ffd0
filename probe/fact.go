package probe

// Fact names something that a probe learnt.
type Fact string

// Where a result belongs: set by the plan, so that readers need no configuration.
const (
	FactRealm    Fact = "realm"            // the Kerberos realm that the asked server serves
	FactRole     Fact = "role"             // of a DNS server: RoleRealm or RoleHost
	FactDatabase Fact = "database"         // the database's name in the configuration
	FactUser     Fact = "user"             // user@REALM of a login
	FactKind     Fact = "kind"             // of the realm: aws-managed-ad, active-directory, mit, heimdal
	FactSource   Fact = "source"           // how the name or address was come by: one of the Source values
	FactEndpoint Fact = "endpoint"         // host:port of the database
	FactOddPort  Fact = "odd-port"         // "true" where only an SRV record names the port, and it is not the protocol's own
	FactInstance Fact = "db-instance"      // of a cluster: the identifier of the instance that is asked, in place of the database's endpoint
	FactDBRole   Fact = "db-role"          // of that instance: RoleWriter or RoleReader; empty where it is not known
	FactLeadsTo  Fact = "endpoint-leads"   // "true": the database's endpoint can lead to that instance
	FactVouched  Fact = "instance-vouched" // "true": the instance is configured, or was listed on a connection whose certificate was verified
	FactLeftOut  Fact = "left-out"         // what DNS names and kerbagent does not ask: "12 hosts and 40 addresses"
)

// Stranger is the user that is asked about where none is configured: a name that
// says to whoever reads a KDC's or database's log who asked. It is nobody's.
const Stranger = "kerbagent-probe"

// Values of FactSource.
const (
	SourceConfigured = "configured" // named in kerbagent.yaml or a flag
	SourceURI        = "uri"        // a URI record of the realm names it
	SourceSRV        = "srv"        // an SRV record of the realm names it
	SourceDomain     = "domain"     // the realm's domain has this address
	SourceDNSServer  = "dns-server" // DNS gave nothing; a directory's DNS servers are its controllers
)

// Values of FactRole.
const (
	RoleRealm = "realm-dns" // one of the realm's own servers
	RoleHost  = "resolver"  // this host's resolver
)

// Values of FactDBRole.
const (
	RoleWriter = "writer"
	RoleReader = "reader"
)

// What is known of a database's cluster, in the result that no question is behind.
const (
	FactInstances    Fact = "instances"      // identifiers, the writer first
	FactWriter       Fact = "writer"         // identifier of the writer
	FactStranger     Fact = "stranger"       // identifier of the instance that the endpoint led to, where it is none of the cluster's
	FactFailoverFrom Fact = "failover-from"  // identifier of the writer before this one
	FactFailoverAt   Fact = "failover-at"    // RFC 3339: when that was seen
	FactOldWriter    Fact = "old-writer-for" // how long the endpoint led to the writer before, as far as that was seen
	FactHidden       Fact = "hidden"         // what the server says in place of its instances
)

// What DNS said.
const (
	FactQuestion      Fact = "question"      // "SRV _kerberos._udp.corp.example.com"
	FactRcode         Fact = "rcode"         // NOERROR, NXDOMAIN, …
	FactAuthoritative Fact = "authoritative" // "true" or "false"
	FactSOA           Fact = "soa"           // the owner of the SOA record, in lower case without the last dot
	FactAnswer        Fact = "answer"        // sorted: addresses, or host:port of SRV records
	FactAdditional    Fact = "additional"    // sorted: host=address, for hosts of SRV records whose addresses came along
)

// What a KDC or kpasswd server said.
const (
	FactKRBCode       Fact = "krb-code"     // number of the KRB-ERROR
	FactKRBText       Fact = "krb-text"     // its e-text
	FactNTStatus      Fact = "ntstatus"     // "c0000072", from e-data (MS-KILE §2.2.1)
	FactETypes        Fact = "etypes"       // numbers that the KDC offers for the user, in its order
	FactSalt          Fact = "salt"         // that the KDC gives for the user's key
	FactPreauth       Fact = "preauth"      // "required", or "none" where the KDC gave a TGT without
	FactServedBy      Fact = "served-realm" // realm in the server's answer: Windows echoes the one that was asked for, so it proves nothing
	FactAskedFor      Fact = "asked-for"    // service name in the TGS-REQ that failed
	FactHops          Fact = "hops"         // realms of the referral path, first the user's
	FactKDC           Fact = "kdc"          // address that answered the login
	FactProofType     Fact = "proof-etype"  // number of the encryption type that the user was proved with
	FactRC4           Fact = "allow-rc4"    // "true": the configuration allows it for this realm (set by the plan)
	FactTicketType    Fact = "ticket-etype" // number of the service ticket's encryption type
	FactTicketKVNO    Fact = "ticket-kvno"
	FactSecretKVNO    Fact = "keytab-kvno"
	FactKeytabHas     Fact = "keytab-has"           // principals of a keytab that has no key of the user, the likeliest first
	FactSecretType    Fact = "secret"               // password, keytab or ccache: never the value
	FactSecretFile    Fact = "secret-file"          // its path, as configured; empty for one that was typed
	FactSecretUnit    Fact = "secret-unit"          // the unit that has only a copy of that file, made when it started
	FactSecretChanged Fact = "secret-changed"       // RFC 3339: when that file was changed after it had been copied
	FactSecretProblem Fact = "secret-problem"       // a word for what is wrong with it
	FactFailedAt      Fact = "failed-at"            // the stage group that failed: as, tgs, database
	FactFailedRealm   Fact = "failed-realm"         // the realm whose KDCs were being asked when it failed
	FactRefusedAt     Fact = "refused-at"           // RFC 3339: the login was not tried now; this is when it was refused, and how
	FactReferral      Fact = "referral"             // what was found out after error 7: "no-trust", "unknown-there", "exists-there"
	FactHostOnly      Fact = "host-only"            // "true" where this host resolves the name to this address and the realm's own DNS does not
	FactUnanswered    Fact = "unanswered-kdc"       // the KDC that took a proof, or asked for a ticket, and did not answer
	FactHungUp        Fact = "closed-while-waiting" // "true": the database ended a first connection while the ticket for it was got
	FactPassedAt      Fact = "passed-at"            // the addresses of those servers
	FactFileKDCs      Fact = "krb5conf-kdcs"        // the KDCs that the host's krb5.conf names for the realms on the way: realm, server, its addresses or "-", place
	FactPassed        Fact = "passed-over"          // what a login went past: servers that were silent, names that were not found
	FactLacksHost     Fact = "lacks-host"           // the KDCs whose names' look-ups end every program's login on this host
	FactRefusedAhead  Fact = "refused-ahead"        // the service that a KDC does not know, where the login did not come to its announcement; it was announced before
	FactForNow        Fact = "lookup-fails"         // "true": the look-up of a realm's SRV records fails for now: SERVFAIL, REFUSED or no answer
	FactRoute         Fact = "route"                // how libkrb5 asks the KDCs on a login's way; see krb5/sendto
)

// What a login's result is made from, and when that last changed.
const (
	FactConfigRead    Fact = "configuration-read" // RFC 3339: since when the daemon has had its present configuration
	FactKrb5Written   Fact = "krb5conf-written"   // RFC 3339: when the host's krb5.conf was last written
	FactSecretWritten Fact = "secret-written"     // RFC 3339: when the file with the secret was last written
)

// Where a login failed: values of FactFailedAt.
const (
	AtAS       = "as"         // finding and asking a KDC, without credentials
	AtPreauth  = "as-preauth" // the AS-REQ that proves the user
	AtTGS      = "tgs"
	AtDatabase = "database"
)

// What was found out after a KDC did not know a service: values of FactReferral.
const (
	ReferralNoTrust      = "no-trust"      // the user's realm has no ticket for the service's realm
	ReferralUnknownThere = "unknown-there" // the service's own realm does not know the service
	ReferralExistsThere  = "exists-there"  // the service's realm gave a ticket once it was asked directly
)

// What a database said.
const (
	FactDBStage      Fact = "db-stage"         // at which the conversation failed: db-connect, db-greeting, db-tls, db-switch, db-token or query
	FactDBAddress    Fact = "database-address" // with which a login spoke last, where the name has several
	FactVersion      Fact = "server-version"
	FactPlugin       Fact = "plugin"      // named in the auth switch
	FactSPN          Fact = "spn"         // announced in the auth switch
	FactSPNUnusual   Fact = "spn-unusual" // "true": nothing speaks for the announced host, and it was taken
	FactSPNRealm     Fact = "spn-realm"   // announced in the auth switch (MySQL's plugin only)
	FactTLSVersion   Fact = "tls-version"
	FactTLSProblem   Fact = "tls-problem"           // "ca", "name" and "date", those of them that are so; or "bundle", or "other"
	FactCertNotAfter Fact = "certificate-not-after" // RFC 3339
	FactErrNumber    Fact = "mysql-errno"
	FactErrText      Fact = "mysql-error"
	FactProven       Fact = "server-proven" // "true" once the AP-REP verified
	FactCurrentUser  Fact = "current_user()"
	FactHostClock    Fact = "host-clock" // what this host's kernel says of it, where a KDC's differs
	FactTLSMode      Fact = "tls-mode"   // as configured
	FactServer       Fact = "aurora-server-id"
	FactAurora       Fact = "aurora-version"
)

// Sample names a number that a probe measured.
type Sample string

// The samples, in base units.
const (
	SampleSkew           Sample = "clock_skew_seconds"  // the server's clock minus ours
	SampleAhead          Sample = "clock_ahead_seconds" // of the KDC's clock, where a login took its time, as libkrb5 does
	SampleTTL            Sample = "ttl_seconds"         // least TTL of the answer
	SampleTicketEnd      Sample = "ticket_expiry_timestamp_seconds"
	SamplePasswordExpiry Sample = "password_expiry_timestamp_seconds"
	SampleCertExpiry     Sample = "certificate_expiry_timestamp_seconds"
	SampleBytes          Sample = "answer_bytes"
	SampleProgramWait    Sample = "program_wait_seconds" // that a program on this host spends on what a login passed over
	SampleReplicaLag     Sample = "replica_lag_seconds"
	SampleResends        Sample = "resends" // how often it was asked again before it was answered, or given up
	SampleUnsent         Sample = "unsent"  // how many datagrams this host itself did not let out before one was
)
