// The options of a client.
package org.propusk

import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.toJavaDuration
import org.propusk.ffi.ClientOptions as FfiOptions
import org.propusk.ffi.Secret

/** The options of a [Client]. Only the server's address is required. */
public class ClientOptions(
    /** The address of the server, such as `https://id.example.org`. */
    public val server: String,
    /** Where the session is stored; in memory, it ends with the process. */
    public val vault: Vault = Vault.memory(),
    /** The API of the server. */
    public val dialect: Dialect = Dialect.NATIVE,
    /** The redirects to which the browser returns, such as `org.example.app:/signed-in`. The first one is used. */
    public val redirects: List<String> = emptyList(),
    /** Origins, such as `https://api.example.org`, to which the access token may be sent besides the server's own. */
    public val apiOrigins: List<String> = emptyList(),
    /** Former addresses of the same server. Sessions that started there stay valid. */
    public val formerServers: List<String> = emptyList(),
    /** The name of this device in the account's list of sessions. */
    public val deviceName: String? = null,
    /** The app's OAuth client at a [Dialect.DJOSER_TOKEN] server. */
    public val oauthClient: OAuthClient? = null,
    /** The time limit of a request to the server. */
    public val timeout: Duration = 20.seconds,
    /** Trusted certificate authorities, in PEM, in addition to those of the system. */
    public val rootCertificates: List<String> = emptyList(),
    /** The client certificate for mutual TLS: the chain and the private key, in PEM. */
    public val clientCertificate: String? = null,
    /** The proxy, such as `http://name:password@proxy.example.org:3128`, instead of the system's. */
    public val proxy: String? = null,
    /** The `User-Agent` of requests. */
    public val userAgent: String? = null,
    /** Allows `http://` addresses on other machines. Passwords and tokens can then be read on the network. */
    public val allowPlainHttp: Boolean = false,
    /**
     * The server of [Dialect.SIMPLEJWT] or [Dialect.DJOSER_JWT] is configured to rotate refresh tokens. Without this, a
     * session learns it from its first renewal.
     */
    public val rotatesRefreshTokens: Boolean = false,
) {
    override fun toString(): String = "ClientOptions($server)"

    internal fun lower(): FfiOptions =
        FfiOptions(
            server = server,
            dialect = dialect,
            vault = vault.inner,
            redirects = redirects,
            apiOrigins = apiOrigins,
            formerServers = formerServers,
            deviceName = deviceName,
            oauthClientId = oauthClient?.id,
            oauthClientSecret = oauthClient?.secret?.let(::Secret),
            timeout = timeout.toJavaDuration(),
            rootCertificates = rootCertificates,
            clientCertificate = clientCertificate?.let(::Secret),
            proxy = proxy?.let(::Secret),
            userAgent = userAgent,
            allowPlainHttp = allowPlainHttp,
            rotatesRefreshTokens = rotatesRefreshTokens,
        )
}

/** An OAuth client of the app. */
public class OAuthClient(public val id: String, internal val secret: String) {
    override fun toString(): String = "OAuthClient($id)"
}
