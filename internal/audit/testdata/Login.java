import java.io.IOException;
import org.ietf.jgss.GSSContext;
import org.ietf.jgss.GSSManager;
import org.ietf.jgss.GSSName;
import org.ietf.jgss.Oid;

/** Asks Java's own Kerberos for a ticket of a database, or waits to be looked at. */
public class Login {
    public static void main(String[] args) throws Exception {
        if (args[0].equals("wait")) {
            System.out.println("running");
            System.in.read();
            return;
        }
        Oid krb5 = new Oid("1.2.840.113554.1.2.2");
        GSSManager manager = GSSManager.getInstance();
        GSSName service = manager.createName("mysql@" + args[1], GSSName.NT_HOSTBASED_SERVICE);
        GSSContext context = manager.createContext(service, krb5, null, GSSContext.DEFAULT_LIFETIME);
        byte[] token = context.initSecContext(new byte[0], 0, 0);
        System.out.println("token of " + token.length + " bytes");
    }
}
