// Sign-in in the browser: who opens it, and what the link that comes back means.
package org.propusk

import kotlin.time.Duration
import kotlin.time.toKotlinDuration
import kotlinx.coroutines.CancellationException
import org.propusk.ffi.Browser as FfiBrowser
import org.propusk.ffi.BrowserSignIn as FfiSignIn
import org.propusk.ffi.CallbackException
import org.propusk.ffi.DeepLink as FfiDeepLink
import org.propusk.ffi.LinkOutcome as FfiOutcome
import org.propusk.ffi.parseDeepLink

/** Opens the system's browser. */
public fun interface Browser {
    /**
     * Opens this address, and returns without waiting for the user. Do not use a web view of the app. A
     * [CancellationException] ends the sign-in as cancelled, anything else that it throws as failed.
     */
    public fun openUrl(url: String)
}

/** A sign-in that continues in a browser. */
public class BrowserSignIn internal constructor(inner: FfiSignIn) {
    /** The address to open in the system's browser; do not use a web view of the app. */
    public val authorizeUrl: String = inner.authorizeUrl()

    /** The id of this sign-in, for [Client.cancelSignIn]. */
    public val state: String = inner.state()

    /** How long the sign-in may take. */
    public val expiresIn: Duration = inner.expiresIn().toKotlinDuration()
}

/** The result of a link. */
public sealed interface LinkOutcome {
    /** The user is signed in. */
    public data object SignedIn : LinkOutcome

    /** The identity is now linked to the signed-in account. */
    public data class Linked(public val identity: Identity) : LinkOutcome

    /** The link was completed before; systems may deliver the same link twice. */
    public data object AlreadyCompleted : LinkOutcome

    /** The link does not belong to a sign-in. */
    public data object Unrelated : LinkOutcome
}

/** What a link means for this app, without the code and state that it contains. */
public sealed interface DeepLink {
    /** A sign-in returns with a code: pass the link to [Client.completeSignIn]. */
    public data class Code(public val redirect: String) : DeepLink

    /** A sign-in returns with an error, such as `access_denied`: pass the link to [Client.completeSignIn]. */
    public data class Failed(public val error: String, public val redirect: String) : DeepLink

    /** The link does not lead to a redirect of this app. */
    public data object Unrelated : DeepLink

    /** The link leads to a redirect, but a server would not have made it. */
    public data class Malformed(public val problem: LinkProblem) : DeepLink

    public companion object {
        /** Reads a link from any source. It sends and stores nothing. */
        public fun parse(link: String, redirects: List<String>): DeepLink =
            when (val parsed = translated { parseDeepLink(link, redirects) }) {
                is FfiDeepLink.Code -> Code(parsed.redirect)
                is FfiDeepLink.Failed -> Failed(parsed.error, parsed.redirect)
                FfiDeepLink.Unrelated -> Unrelated
                is FfiDeepLink.Malformed -> Malformed(parsed.problem)
            }
    }
}

internal class BrowserAdapter(private val browser: Browser) : FfiBrowser {
    override fun openUrl(url: String) {
        try {
            browser.openUrl(url)
        } catch (_: CancellationException) {
            throw CallbackException.Cancelled()
        } catch (error: Throwable) {
            // An Error too: JNA would print it and report a success. Not its message, which may contain the address.
            throw CallbackException.Failed(error.javaClass.name)
        }
    }
}

internal fun FfiOutcome.translate(): LinkOutcome =
    when (this) {
        FfiOutcome.SignedIn -> LinkOutcome.SignedIn
        is FfiOutcome.Linked -> LinkOutcome.Linked(identity)
        FfiOutcome.AlreadyCompleted -> LinkOutcome.AlreadyCompleted
        FfiOutcome.Unrelated -> LinkOutcome.Unrelated
    }
