package mysqltest

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"math/big"
	"strings"

	"github.com/kerbagent/kerbagent/mysql"
)

// user finds the account; an unknown one is a decoy.
func (v *conversation) user() (User, bool) {
	u, known := v.cfg.Users[v.login.User]
	if !known {
		u = User{Plugin: v.cfg.Decoy}
	}
	if u.Plugin == "" {
		u.Plugin = map[Flavour]string{MySQL: Kerberos, MariaDB: GSSAPI}[v.cfg.Flavour]
	}
	if v.faults.Plugin != "" {
		u.Plugin = v.faults.Plugin
	}
	if u.Principal == "" {
		u.Principal = v.login.User + "@" + v.cfg.Realm
	}
	return u, known
}

// plugin is what the user is switched to.
func (v *conversation) plugin() string {
	u, _ := v.user()
	return u.Plugin
}

// authenticateUser switches to the user's plugin and hears it out.
func (v *conversation) authenticateUser() error {
	u, known := v.user()
	answer := v.login.Response
	if v.login.Plugin != u.Plugin || u.Plugin != NativePassword {
		if err := v.write((&mysql.Switch{Plugin: u.Plugin, Data: v.switchData(u.Plugin)}).Marshal()); err != nil {
			return err
		}
		var err error
		if answer, err = v.read(); err != nil {
			return err
		}
	}
	if err := v.at(AtToken); err != nil {
		return err
	}
	if u.Open {
		return nil
	}
	switch u.Plugin {
	case Kerberos, GSSAPI:
		return v.gss(u, known, answer)
	case NativePassword:
		return v.native(u, known, answer)
	default:
		return v.decoy(u.Plugin, answer)
	}
}

// switchData is what the switch says to the client's plugin.
func (v *conversation) switchData(plugin string) []byte {
	u, _ := v.user()
	spn, realm := v.cfg.SPN, u.Principal[strings.LastIndex(u.Principal, "@")+1:] // what CREATE USER … BY says
	if v.faults.SPN != "" {
		spn = v.faults.SPN
	}
	if v.faults.Realm != "" {
		realm = v.faults.Realm
	}
	switch {
	case v.faults.SwitchData != nil:
		return v.faults.SwitchData
	case plugin == Kerberos:
		b := binary.LittleEndian.AppendUint16(nil, uint16(len(spn)))
		b = append(b, spn...)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(realm)))
		return append(b, realm...)
	case plugin == GSSAPI:
		return append([]byte(spn), 0, 0) // the mechanism's name is empty on Unix
	case plugin == "client_ed25519", plugin == "parsec":
		return append(v.salt[:len(v.salt):len(v.salt)], v.salt[:12]...)
	case plugin == "dialog":
		return []byte("\x04Password: ")
	default:
		return append(v.salt[:len(v.salt):len(v.salt)], 0)
	}
}

// gss checks a Kerberos token.
func (v *conversation) gss(u User, known bool, token []byte) error {
	var client string
	var reply []byte
	var err error
	if v.faults.RejectToken || v.cfg.Acceptor == nil {
		err = errRefused
	} else {
		client, reply, err = v.cfg.Acceptor.Accept(token)
	}
	if err != nil {
		if v.cfg.Flavour == MariaDB {
			return v.refuse(1105, "HY000", "Server GSSAPI error (major 851968, minor 2529639093) : gss_accept_sec_context -Unspecified GSS failure.")
		}
		return v.deny()
	}
	if len(reply) > 0 && !v.faults.NoProof {
		if err := v.prove(reply); err != nil {
			return err
		}
	}
	switch {
	case v.faults.SecondFactor:
		if err := v.write((&mysql.Switch{Plugin: CachingSHA2, Data: v.switchData(CachingSHA2)}).Marshal()); err != nil {
			return err
		}
		answer, err := v.read()
		if err != nil {
			return err
		}
		return v.decoy(CachingSHA2, answer)
	case v.faults.DenyAfterProof != nil:
		return v.refuseWith(v.faults.DenyAfterProof)
	case client != u.Principal && v.cfg.Flavour == MariaDB:
		return v.refuse(1045, "28000", "GSSAPI name mismatch, requested '%s', actual name '%s'", u.Principal, client)
	case client != u.Principal, !known:
		return v.deny()
	case u.Locked && v.cfg.Flavour == MariaDB:
		return v.refuse(4151, "HY000", "Access denied, this account is locked")
	case u.Locked:
		return v.refuse(3118, "HY000", "Access denied for user '%s'@'localhost'. Account is locked.", v.login.User)
	}
	return nil
}

// prove sends the AP-REP: MySQL puts a 01 before it, MariaDB does not.
func (v *conversation) prove(reply []byte) error {
	reply = bytes.Clone(reply)
	if v.faults.BadProof {
		reply[len(reply)-1] ^= 1 // inside the checksum
	}
	if v.cfg.Flavour == MySQL {
		reply = append([]byte{1}, reply...)
	}
	return v.write(reply)
}

// native checks mysql_native_password: SHA1(password) XOR
// SHA1(scramble + SHA1(SHA1(password))).
func (v *conversation) native(u User, known bool, answer []byte) error {
	switch {
	case len(answer) == 0 && known && u.Password == "":
		return nil
	case len(answer) == 0:
		return v.deny()
	case len(answer) != sha1.Size:
		return v.badForm()
	}
	stage1 := sha1.Sum([]byte(u.Password))
	stage2 := sha1.Sum(stage1[:])
	want := sha1.Sum(append(v.salt[:len(v.salt):len(v.salt)], stage2[:]...))
	for i := range want {
		want[i] ^= stage1[i]
	}
	if !known || !bytes.Equal(want[:], answer) {
		return v.deny()
	}
	return nil
}

// decoy plays a plugin that lets nobody in, but insists on the form of what it
// gets, as the real one does.
func (v *conversation) decoy(plugin string, answer []byte) error {
	good := true
	switch plugin {
	case CachingSHA2:
		good = len(answer) == 32
		if !good {
			break
		}
		next, err := v.ask([]byte{1, 4}) // full authentication, please
		if err != nil {
			return err
		}
		good, err = v.takesPassword(next, 2)
		if err != nil {
			return err
		}
	case "sha256_password":
		var err error
		if good, err = v.takesPassword(answer, 1); err != nil {
			return err
		}
	case "client_ed25519":
		good = len(answer) == 64
	case "mysql_old_password":
		good = len(answer) == 9 && isPassword(answer)
	case "mysql_clear_password", "dialog":
		good = isPassword(answer)
	case "parsec":
		good = len(answer) == 0
		if !good {
			break
		}
		next, err := v.ask(append([]byte{1, 'P', 0}, v.salt[:18]...))
		if err != nil {
			return err
		}
		good = len(next) == 96
	}
	if !good {
		return v.badForm()
	}
	return v.deny()
}

// isPassword tells a password in the clear, which ends with its only NUL.
func isPassword(b []byte) bool { return len(b) > 0 && bytes.IndexByte(b, 0) == len(b)-1 }

// takesPassword hears a password in the clear over TLS, or one under the public
// key that wantKey asks for.
func (v *conversation) takesPassword(answer []byte, wantKey byte) (bool, error) {
	if v.secure() {
		return isPassword(answer), nil
	}
	if !bytes.Equal(answer, []byte{wantKey}) {
		return false, nil
	}
	key, err := publicKey()
	if err != nil {
		return false, err
	}
	sealed, err := v.ask(append([]byte{1}, key...))
	return len(sealed) == rsaBits/8, err
}

// rsaBits is the size of the key that MySQL makes for itself.
const rsaBits = 2048

// publicKey is a number of the right size that looks like an RSA key, as PEM.
// Nobody here opens what a client seals with it.
func publicKey() ([]byte, error) {
	n := make([]byte, rsaBits/8)
	rand.Read(n)
	n[0] |= 0x80
	n[len(n)-1] |= 1
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537})
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// ask sends one packet and takes the answer.
func (v *conversation) ask(payload []byte) ([]byte, error) {
	if err := v.write(payload); err != nil {
		return nil, err
	}
	return v.read()
}
