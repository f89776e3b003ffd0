package lint

import (
	"strings"

	"github.com/kerbagent/kerbagent/internal/spelling"
)

// readerSections are the sections that the models read.
func readerSections() []string { return []string{"libdefaults", "realms", "domain_realm", "capaths"} }

// knownSections are the sections that programs read from a krb5.conf: those of
// MIT's and Heimdal's libraries, KDCs and kadmin servers, of pam_krb5 and of
// Kerberos 4, which many files still have.
func knownSections() []string {
	return append(readerSections(), "appdefaults", "plugins", "logging", "login", "kdc", "kdcdefaults", "kadmin", "kadmind", "dbdefaults",
		"dbmodules", "password_quality", "otp", "pam", "gssapi", "hdb", "kcm", "kx509", "kinit", "kafs", "afs", "iprop", "hx509",
		"instancemapping")
}

// libdefaultsKeys are the settings of [libdefaults] of MIT, Heimdal, Java and
// Solaris.
func libdefaultsKeys() []string {
	return strings.Fields(`allow_weak_crypto allow_des3 allow_rc4 ap_req_checksum_type canonicalize capath ccache_type check_ticket_addresses clockskew
	client_aware_channel_bindings client_aware_gss_bindings cmd_channel date_format default_as_etypes default_ccache_name default_cc_name
	default_cc_type default_cc_collection default_client_keytab_name default_client_keytab default_domain default_etypes default_etypes_des
	default_file_cache_collections default_keytab_modify_name default_keytab_name default_rcache_name default_realm default_tgs_enctypes
	default_tgs_etypes default_tkt_enctypes disable_pac dns_canonicalize_hostname dns_fallback dns_lookup_kdc dns_lookup_realm dns_proxy
	dns_uri_lookup egd_socket enforce_ok_as_delegate err_fmt extra_addresses fcache_strict_checking fcache_version fcc-mit-ticketflags
	file_cache_collections forward forwardable http_proxy ignore_acceptor_hostname ignore_addresses isa_tag k5login_authoritative k5login_directory
	kcm_mach_service kcm_socket kdc_default_options kdc_req_checksum_type kdc_timeout kdc_timesync krb4_config krb4_convert krb4_get_tickets
	krb4_realms krb5_get_tickets krb_run_aklog kuserok large_message_size libdefaults log_utc maximum_message_size max_retries max_retries_kdc
	maxretries moduli msdos_fat name_canon_rules no-addresses noaddresses passwd_check_s_address permitted_enctypes pkinit_anchors pkinit_cert_match
	pkinit_dh_min_bits pkinit_eku_checking pkinit_identities pkinit_identity pkinit_indicator pkinit_kdc_hostname pkinit_longhorn pkinit_pool
	pkinit_require_crl_checking pkinit_revoke pkinit_win2k pkinit_win2k_require_binding plugin_base_dir plugin_dir preauth_module_dir preferred_enctypes
	preferred_preauth_types proxiable qualify_shortname radius_attributes rdns realm_try_domains renewable renew_lifetime renew_till
	request_timeout safe_checksum_type scan_interfaces spake_preauth_groups spake_preauth_indicator spake_preauth_kdc_challenge srv_lookup
	srv_try_rfc1964_realm srv_try_txt supported_enctypes ticket_lifetime time_format transited_realms_reject udp_preference_limit
	use_strongest_session_key v4_instance_resolve v4_name_convert verify_ap_req_nofail warn_pwexpire x509_anchors acceptor_hostname auth_to_local
	auth_to_local_names forwardable_tickets checksum_type chpw_prompt default_principal_flags database_name kdc_ports admin_server kdc
	tkt_lifetime max_life max_renewable_life use_referrals auto_referral`)
}

// realmKeys are the settings of a realm: a KDC reads its own from there as well.
func realmKeys() []string {
	return strings.Fields(`acl_file admin_keytab admin_server auth_to_local auth_to_local_names auth_to_local_realm database_module database_name
	default_domain default_principal_expiration default_principal_flags dict_file disable_encrypted_timestamp disable_last_success disable_lockout
	encrypted_challenge_indicator host_based_services http_anchors iprop_enable iprop_listen iprop_logfile iprop_master_ulogsize iprop_port
	iprop_replica_poll iprop_resync_timeout iprop_slave_poll iprop_ulogsize kadmind_listen kadmind_port kdc kdc_listen kdc_max_dgram_reply_size
	kdc_ports kdc_tcp_listen kdc_tcp_listen_backlog kdc_tcp_ports key_stash_file kpasswd_listen kpasswd_port kpasswd_protocol kpasswd_server krb524_server
	krb4_get_tickets krb4_convert ldap_kdc_dn ldap_kadmind_dn master_kdc master_key_name master_key_type max_life max_renewable_life no_host_referral
	pkinit_allow_upn pkinit_anchors pkinit_cert_match pkinit_dh_min_bits pkinit_eku_checking pkinit_identities pkinit_identity pkinit_indicator
	pkinit_kdc_hostname pkinit_kdc_ocsp pkinit_longhorn pkinit_pool pkinit_require_crl_checking pkinit_require_freshness pkinit_require_krbtgt_otherName
	pkinit_revoke pkinit_win2k pkinit_win2k_require_binding primary_kdc reject_bad_transit restrict_anonymous_to_tgt spake_preauth_indicator
	supported_enctypes kdc_supported_enctypes sunw_dbprop_enable sunw_dbprop_master_ulogsize tgs_require_subkey tkt_lifetime udp_preference_limit
	v4_domains v4_instance_convert v4_name_convert v4_realm verify_ap_req_nofail dns_lookup_kdc dns_lookup_realm forwardable proxiable
	ticket_lifetime renew_lifetime renewable max_retries kdc_timeout clockskew encrypted_challenge default_realm domain kdc_timesync
	permitted_enctypes default_tgs_enctypes default_tkt_enctypes cpw_server rdns noaddresses warn_pwexpire disable_pac`)
}

// names are known names, prepared to be searched for the one that is meant.
type names struct {
	list  []string
	known map[string]bool
	plain map[string]string // without case and marks
	asked map[string]string // what nearest has returned
}

// maxNames is how many different unknown names are compared with the known ones:
// no file that a person wrote has so many.
const maxNames = 2000

func newNames(list []string) *names {
	n := &names{list: list, known: map[string]bool{}, plain: map[string]string{}, asked: map[string]string{}}
	for _, k := range list {
		n.known[k] = true
		n.plain[plain(k)] = k
	}
	return n
}

// nearest returns the known name of which a name is a misspelling: at most two
// letters away, or one where the name is short, or the same but for case and for
// the marks between its words. It returns "" where the name is known itself, or is
// like none.
func (n *names) nearest(name string) string {
	if n.known[name] {
		return ""
	}
	best, ok := n.asked[name]
	if !ok && len(n.asked) < maxNames {
		best = n.search(name)
		n.asked[name] = best
	}
	return best
}

func (n *names) search(name string) string {
	if k := n.plain[plain(name)]; k != "" {
		return k
	}
	if clean := withoutSigns(name); clean != name && n.known[clean] {
		return clean
	}
	most, best := 2, ""
	switch {
	case len(name) < 4:
		return ""
	case len(name) < 8:
		most = 1
	}
	lower := strings.ToLower(name)
	for _, k := range n.list {
		if len(k) < 4 && !strings.HasPrefix(name, k) { // kdcs is kdc, but a short word is near many
			continue
		}
		if d := spelling.Distance(lower, strings.ToLower(k), most); d <= most {
			if d < most || best == "" {
				best = k
			}
			most = d
		}
	}
	return best
}

// plain is a name without case and without the marks between its words.
func plain(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(name), "_", ""), "-", "")
}
