package reader

import (
	"errors"
	"slices"
	"strings"
)

// Numbers of encryption types (RFC 3961 §8, RFC 8009 §7, RFC 6803 §9).
const (
	desCBCCRC    = 1
	desCBCMD4    = 2
	desCBCMD5    = 3
	des3CBCMD5   = 5
	des3CBCRaw   = 6
	des3CBCSHA1  = 16
	aes128SHA1   = 17
	aes256SHA1   = 18
	aes128SHA2   = 19
	aes256SHA2   = 20
	rc4HMAC      = 23
	rc4HMACExp   = 24
	camellia128  = 25
	camellia256  = 26
	AES128       = "aes128-cts-hmac-sha1-96"
	AES256       = "aes256-cts-hmac-sha1-96"
	aes128SHA2S  = "aes128-cts-hmac-sha256-128"
	aes256SHA2S  = "aes256-cts-hmac-sha384-192"
	camellia128S = "camellia128-cts-cmac"
	camellia256S = "camellia256-cts-cmac"
)

// ErrNoETypes reports that a list has no encryption type that the reader knows
// and allows: no ticket can be got with it.
var ErrNoETypes = errors.New("no encryption type is left")

// ETypeName returns the full name of an encryption type, which is the one that
// every reader knows, or "" for one that none of the models has.
func ETypeName(id int32) string {
	switch id {
	case aes256SHA1:
		return AES256
	case aes128SHA1:
		return AES128
	case aes256SHA2:
		return aes256SHA2S
	case aes128SHA2:
		return aes128SHA2S
	case camellia256:
		return camellia256S
	case camellia128:
		return camellia128S
	case des3CBCSHA1:
		return "des3-cbc-sha1"
	case rc4HMAC:
		return "arcfour-hmac-md5"
	case rc4HMACExp:
		return "arcfour-hmac-exp"
	case des3CBCRaw:
		return "des3-cbc-raw"
	case desCBCCRC:
		return "des-cbc-crc"
	case desCBCMD4:
		return "des-cbc-md4"
	case desCBCMD5:
		return "des-cbc-md5"
	}
	return ""
}

// WeakEType reports whether an encryption type is broken or on its way out:
// DES, triple DES, RC4.
func WeakEType(id int32) bool {
	switch id {
	case aes128SHA1, aes256SHA1, aes128SHA2, aes256SHA2, camellia128, camellia256:
		return false
	}
	return true
}

// mitEType is krb5_string_to_enctype.
func mitEType(name string) (int32, bool) {
	switch strings.ToLower(name) {
	case "des3-cbc-raw":
		return des3CBCRaw, true
	case "des3-cbc-sha1", "des3-hmac-sha1", "des3-cbc-sha1-kd":
		return des3CBCSHA1, true
	case "arcfour-hmac", "rc4-hmac", "arcfour-hmac-md5":
		return rc4HMAC, true
	case "arcfour-hmac-exp", "rc4-hmac-exp", "arcfour-hmac-md5-exp":
		return rc4HMACExp, true
	}
	return aesOrCamellia(strings.ToLower(name))
}

func aesOrCamellia(name string) (int32, bool) {
	switch name {
	case AES128, "aes128-cts", "aes128-sha1":
		return aes128SHA1, true
	case AES256, "aes256-cts", "aes256-sha1":
		return aes256SHA1, true
	case aes128SHA2S, "aes128-sha2":
		return aes128SHA2, true
	case aes256SHA2S, "aes256-sha2":
		return aes256SHA2, true
	case camellia128S, "camellia128-cts":
		return camellia128, true
	case camellia256S, "camellia256-cts":
		return camellia256, true
	}
	return 0, false
}

// mitFamily returns the members of a word that stands for several.
func mitFamily(word string) []int32 {
	switch strings.ToLower(word) {
	case "default":
		return []int32{aes256SHA1, aes128SHA1, aes256SHA2, aes128SHA2, des3CBCSHA1, rc4HMAC, camellia128, camellia256}
	case "des3":
		return []int32{des3CBCSHA1}
	case "aes":
		return []int32{aes256SHA1, aes128SHA1, aes256SHA2, aes128SHA2}
	case "rc4":
		return []int32{rc4HMAC}
	case "camellia":
		return []int32{camellia256, camellia128}
	}
	if id, ok := mitEType(word); ok {
		return []int32{id}
	}
	return nil
}

// etypes is krb5int_parse_enctype_list on a setting, with permitted_enctypes
// in its place where it is not set.
func (p Profile) etypes(name string) ETypes {
	e := p.value("libdefaults", name)
	if e == nil {
		e = p.value("libdefaults", "permitted_enctypes")
	}
	list := ETypes{Text: "DEFAULT"}
	if e != nil {
		list.From, list.Text = e.Pos, e.Value
	}
	weak := p.Boolean("allow_weak_crypto", false).Value
	for _, word := range strings.FieldsFunc(list.Text, func(r rune) bool { return strings.ContainsRune(" \t\r\n,", r) }) {
		add, name := word[0] != '-', word
		if word[0] == '+' || word[0] == '-' {
			name = word[1:]
		}
		ids := mitFamily(name)
		if ids == nil {
			list.Unknown = append(list.Unknown, word)
		}
		for _, id := range ids {
			if !weak && (id == des3CBCRaw || id == rc4HMACExp) {
				continue
			}
			i := slices.Index(list.IDs, id)
			switch {
			case add && i < 0:
				list.IDs = append(list.IDs, id)
			case !add && i >= 0:
				list.IDs = slices.Delete(list.IDs, i, i+1)
			}
		}
	}
	if len(list.IDs) == 0 {
		list.Err = ErrNoETypes
	}
	return list
}
