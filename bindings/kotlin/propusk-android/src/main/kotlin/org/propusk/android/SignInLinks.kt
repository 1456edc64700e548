// Links that return from the browser to the app, also into a process that Android has started again for them.
package org.propusk.android

import android.content.Intent
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.launch
import org.propusk.Client
import org.propusk.LinkOutcome
import org.propusk.PropuskException

/**
 * Implemented by the app's `Application`, which exists in every process before its activities: also if Android has
 * stopped the app while the browser was open.
 */
public interface SignInLinkHost {
    /** The app's one client. */
    public val propusk: Client

    /** In which links are completed; it outlives activities, such as `CoroutineScope(SupervisorJob())`. */
    public val propuskScope: CoroutineScope

    /** A link was completed. Called from a background thread. */
    public fun onSignInLink(outcome: LinkOutcome) {}

    /**
     * A link could not be completed: show the reason, except for [PropuskException.Cancelled] and for the code
     * `sign_in_unknown`. After [PropuskException.Network], [SignInLinks.deliver] may try the same link again.
     */
    public fun onSignInLinkError(error: PropuskException, link: String) {}
}

public object SignInLinks {
    /** The link of an intent; `null` if it contains none. */
    public fun linkOf(intent: Intent?): String? = intent?.takeIf { it.action == Intent.ACTION_VIEW }?.dataString

    /** Completes the sign-in of this link, in the scope of the app. The same link twice does no harm. */
    public fun deliver(link: String, host: SignInLinkHost): Job =
        host.propuskScope.launch {
            try {
                host.onSignInLink(host.propusk.completeSignIn(link))
            } catch (error: CancellationException) {
                throw error
            } catch (error: PropuskException) {
                host.onSignInLinkError(error, link)
            }
        }
}
