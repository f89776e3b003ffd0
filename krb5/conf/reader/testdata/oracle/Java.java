import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import sun.security.krb5.Config;
import sun.security.krb5.PrincipalName;

/** Says what the JDK's own Kerberos makes of krb5.conf files; see mit.py. */
public class Java {
    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String q; (q = in.readLine()) != null;) {
            System.setProperty("java.security.krb5.conf", list(q, "config").get(0));
            System.out.println(read(list(q, "hosts"), list(q, "realms")));
        }
    }

    static String read(List<String> hosts, List<String> realms) {
        Config c;
        try {
            Config.refresh();
            c = Config.getInstance();
        } catch (Throwable e) {
            return "{\"error\": " + quote(String.valueOf(e)) + "}";
        }
        StringBuilder b = new StringBuilder("{\"error\": \"\"");
        b.append(", \"default_realm\": ").append(quote(first(c, "libdefaults", "default_realm")));
        b.append(", \"udp\": ").append(quote(first(c, "libdefaults", "udp_preference_limit")));
        b.append(", \"dns_lookup_kdc\": ").append(bool(c, "dns_lookup_kdc"));
        b.append(", \"dns_lookup_realm\": ").append(bool(c, "dns_lookup_realm"));
        String[][] lists = {{"ticket", "default_tkt_enctypes"}, {"service", "default_tgs_enctypes"}, {"permitted", "permitted_enctypes"}};
        for (String[] l : lists) {
            b.append(", \"").append(l[0]).append("\": [");
            try {
                String sep = "";
                for (int id : c.defaultEtype(l[1])) {
                    b.append(sep).append(id);
                    sep = ", ";
                }
            } catch (Throwable e) {
                // an empty list is how the caller is told
            }
            b.append("]");
        }
        b.append(", \"hosts\": {");
        String sep = "";
        for (String h : hosts) {
            b.append(sep).append(quote(h)).append(": ").append(quote(hostRealm(h)));
            sep = ", ";
        }
        b.append("}, \"realms\": {");
        sep = "";
        for (String r : realms) {
            String kdcs;
            try {
                if (!c.exists("realms", r, "kdc")) {
                    continue;
                }
                kdcs = c.getAll("realms", r, "kdc");
            } catch (Throwable e) {
                b.append(sep).append(quote(r)).append(": null");
                sep = ", ";
                continue;
            }
            b.append(sep).append(quote(r)).append(": [");
            sep = "";
            for (String k : kdcs.split(" ")) {
                if (!k.isEmpty()) {
                    b.append(sep).append(quote(k));
                    sep = ", ";
                }
            }
            b.append("]");
            sep = ", ";
        }
        return b.append("}}").toString();
    }

    static String hostRealm(String host) {
        try {
            // mapHostToRealm is package-private; the constructor with a service's name calls it.
            java.lang.reflect.Method m = PrincipalName.class.getDeclaredMethod("mapHostToRealm", String.class);
            m.setAccessible(true);
            String realm = (String) m.invoke(null, host.toLowerCase());
            return realm == null ? "" : realm;
        } catch (Throwable e) {
            return "error: " + e;
        }
    }

    static String first(Config c, String... keys) {
        try {
            String s = c.get(keys);
            return s == null ? "" : s;
        } catch (Throwable e) {
            return "";
        }
    }

    static String bool(Config c, String key) {
        Boolean b;
        try {
            b = c.getBooleanObject("libdefaults", key);
        } catch (Throwable e) {
            b = null;
        }
        return b == null ? "\"unset\"" : b.toString();
    }

    /** The strings of one member of a flat JSON object: enough for these questions. */
    static List<String> list(String json, String key) {
        List<String> found = new ArrayList<>();
        Matcher m = Pattern.compile("\"" + key + "\":(\\[[^\\]]*\\]|\"[^\"]*\")").matcher(json);
        if (m.find()) {
            Matcher s = Pattern.compile("\"([^\"]*)\"").matcher(m.group(1));
            while (s.find()) {
                found.add(s.group(1));
            }
        }
        return found;
    }

    static String quote(String s) {
        StringBuilder b = new StringBuilder("\"");
        for (char ch : s.toCharArray()) {
            if (ch < ' ' || ch == '"' || ch == '\\') {
                b.append(String.format("\\u%04x", (int) ch));
            } else {
                b.append(ch);
            }
        }
        return b.append('"').toString();
    }
}
