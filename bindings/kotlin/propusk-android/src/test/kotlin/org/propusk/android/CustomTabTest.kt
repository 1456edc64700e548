// The intent that opens the browser, and the one that returns.
package org.propusk.android

import android.app.Activity
import android.content.Context
import android.content.ContextWrapper
import android.content.Intent
import android.net.Uri
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

private const val ADDRESS = "https://accounts.example.org/authorize?state=5tate"

class CustomTabTest {
    @Test
    fun `intent asks for a custom tab of the default browser`() {
        val intent = intentFrom(ContextWrapper(null))
        assertEquals(Intent.ACTION_VIEW, intent.action)
        assertEquals(ADDRESS, intent.dataString)
        assertEquals("org.example.browser", intent.`package`)
        assertTrue(intent.hasExtra("android.support.customtabs.extra.SESSION"))
        assertTrue(intent.hasCategory(Intent.CATEGORY_BROWSABLE))
    }

    @Test
    fun `tab is in the task of the activity that opens it, and in its own without one`() {
        assertEquals(0, intentFrom(activity()).flags)
        assertEquals(0, intentFrom(ContextWrapper(ContextWrapper(activity()))).flags)
        assertEquals(Intent.FLAG_ACTIVITY_NEW_TASK, intentFrom(ContextWrapper(null)).flags)
    }

    /** Without its constructor, which needs Android's main thread. */
    private fun activity(): Activity {
        val type = Class.forName("sun.misc.Unsafe")
        val unsafe = type.getDeclaredField("theUnsafe").apply { isAccessible = true }.get(null)
        return type.getMethod("allocateInstance", Class::class.java).invoke(unsafe, Activity::class.java) as Activity
    }

    private fun intentFrom(context: Context) = customTabIntent(context, Uri.parse(ADDRESS), "org.example.browser")

    @Test
    fun `link is read only from an intent that views one`() {
        val link = "org.example.app:/signed-in?code=c0de&state=5tate"
        assertEquals(link, SignInLinks.linkOf(Intent(Intent.ACTION_VIEW, Uri.parse(link))))
        assertNull(SignInLinks.linkOf(Intent(Intent.ACTION_MAIN)))
        assertNull(SignInLinks.linkOf(Intent(Intent.ACTION_VIEW)))
        assertNull(SignInLinks.linkOf(null))
    }
}
