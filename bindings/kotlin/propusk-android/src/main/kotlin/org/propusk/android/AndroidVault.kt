// The vault of an Android app: in a folder that is not backed up, with its key behind the Android Keystore.
package org.propusk.android

import android.content.Context
import java.io.File
import org.propusk.Vault

internal const val DEFAULT_NAME = "session"

/** Backups exclude this folder by its place; `res/xml/propusk_*.xml` exclude it also elsewhere, by its name. */
internal const val FOLDER = "propusk"

/** The vault of this app. [name] distinguishes several vaults, such as those of several accounts. */
public fun Vault.Companion.android(context: Context, name: String = DEFAULT_NAME): Vault {
    require(name.isNotEmpty() && name.all { it.isLetterOrDigit() || it == '.' || it == '_' || it == '-' }) {
        "a vault's name consists of letters, digits, '.', '_' and '-'"
    }
    return secureStorage(File(vaultFolder(context), "$name.vault"), KeystoreStorage(context, name))
}

internal fun vaultFolder(context: Context): File = File(context.noBackupFilesDir, FOLDER)
