import java.security.PrivilegedExceptionAction;
import java.util.Map;
import javax.security.auth.Subject;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.NameCallback;
import javax.security.auth.callback.PasswordCallback;
import javax.security.auth.login.AppConfigurationEntry;
import javax.security.auth.login.Configuration;
import javax.security.auth.login.LoginContext;
import org.ietf.jgss.GSSContext;
import org.ietf.jgss.GSSManager;
import org.ietf.jgss.GSSName;
import org.ietf.jgss.Oid;

/** Logs a user in by JAAS and gets a ticket for mysql at a host; the password is in the environment. */
public class Login {
    public static void main(String[] args) throws Exception {
        String user = args[0], host = args[1], password = System.getenv("TEST_PASSWORD");
        Configuration conf = new Configuration() {
            public AppConfigurationEntry[] getAppConfigurationEntry(String name) {
                return new AppConfigurationEntry[] {new AppConfigurationEntry("com.sun.security.auth.module.Krb5LoginModule",
                    AppConfigurationEntry.LoginModuleControlFlag.REQUIRED, Map.of("useTicketCache", "false"))};
            }
        };
        LoginContext login = new LoginContext("x", new Subject(), callbacks -> {
            for (Callback c : callbacks) {
                if (c instanceof NameCallback n) {
                    n.setName(user);
                } else if (c instanceof PasswordCallback p) {
                    p.setPassword(password.toCharArray());
                }
            }
        }, conf);
        login.login();
        Subject.doAs(login.getSubject(), (PrivilegedExceptionAction<Void>) () -> {
            GSSManager m = GSSManager.getInstance();
            GSSName name = m.createName("mysql@" + host, GSSName.NT_HOSTBASED_SERVICE);
            GSSContext c = m.createContext(name, new Oid("1.2.840.113554.1.2.2"), null, GSSContext.DEFAULT_LIFETIME);
            byte[] token = c.initSecContext(new byte[0], 0, 0);
            System.out.println("token of " + token.length + " bytes for " + c.getTargName());
            return null;
        });
    }
}
