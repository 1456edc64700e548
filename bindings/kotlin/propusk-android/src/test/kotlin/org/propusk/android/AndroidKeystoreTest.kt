// The Keystore of Android 8 to 11, whose daemon may not answer, behind the real interfaces of Java.
package org.propusk.android

import android.security.keystore.KeyGenParameterSpec
import java.io.File
import java.io.InputStream
import java.io.OutputStream
import java.security.InvalidAlgorithmParameterException
import java.security.Key
import java.security.KeyStoreException
import java.security.KeyStoreSpi
import java.security.Provider
import java.security.ProviderException
import java.security.SecureRandom
import java.security.Security
import java.security.cert.Certificate
import java.security.spec.AlgorithmParameterSpec
import java.util.Collections
import java.util.Date
import java.util.Enumeration
import javax.crypto.KeyGeneratorSpi
import javax.crypto.SecretKey
import javax.crypto.spec.SecretKeySpec
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.BeforeEach
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import org.propusk.SecureStorageException

/** The daemon that has the keys. */
private class Daemon {
    val keys = mutableMapOf<String, SecretKey>()

    /** Whether it answers the next calls; afterwards it does. */
    val answers = ArrayDeque<Boolean>()

    /** What the call returns; `null` if the daemon does not answer. */
    fun <T : Any> call(block: () -> T): T? = if (answers.removeFirstOrNull() ?: true) block() else null
}

/** As Android up to 11: a query hides that the daemon does not answer, a change reports it. */
private class FakeKeyStore(private val daemon: Daemon) : KeyStoreSpi() {
    override fun engineGetKey(alias: String, password: CharArray?): Key? =
        if (engineContainsAlias(alias)) daemon.keys[alias] else null

    override fun engineContainsAlias(alias: String) = daemon.call { alias in daemon.keys } ?: false

    override fun engineAliases(): Enumeration<String> =
        Collections.enumeration(daemon.call { daemon.keys.keys.toList() }.orEmpty())

    override fun engineDeleteEntry(alias: String) {
        daemon.call { daemon.keys -= alias } ?: throw KeyStoreException("Failed to delete entry: $alias")
    }

    override fun engineLoad(stream: InputStream?, password: CharArray?) = Unit

    override fun engineIsKeyEntry(alias: String) = engineContainsAlias(alias)

    override fun engineSize() = engineAliases().toList().size

    override fun engineIsCertificateEntry(alias: String) = false

    override fun engineGetCertificate(alias: String): Certificate? = null

    override fun engineGetCertificateChain(alias: String): Array<Certificate>? = null

    override fun engineGetCertificateAlias(certificate: Certificate): String? = null

    override fun engineGetCreationDate(alias: String): Date? = null

    override fun engineSetKeyEntry(alias: String, key: Key, password: CharArray?, chain: Array<Certificate>?) =
        throw UnsupportedOperationException()

    override fun engineSetKeyEntry(alias: String, key: ByteArray, chain: Array<Certificate>?) =
        throw UnsupportedOperationException()

    override fun engineSetCertificateEntry(alias: String, certificate: Certificate) =
        throw UnsupportedOperationException()

    override fun engineStore(stream: OutputStream?, password: CharArray?) = throw UnsupportedOperationException()
}

private class FakeKeyGenerator(private val daemon: Daemon) : KeyGeneratorSpi() {
    private lateinit var alias: String

    override fun engineInit(random: SecureRandom?) = throw UnsupportedOperationException()

    override fun engineInit(keySize: Int, random: SecureRandom?) = throw UnsupportedOperationException()

    override fun engineInit(parameters: AlgorithmParameterSpec, random: SecureRandom?) {
        alias = (parameters as? KeyGenParameterSpec)?.keystoreAlias ?: throw InvalidAlgorithmParameterException()
    }

    override fun engineGenerateKey(): SecretKey {
        val key = SecretKeySpec(ByteArray(32).also(SecureRandom()::nextBytes), "AES")
        return daemon.call { key.also { daemon.keys[alias] = it } } ?: throw ProviderException("Keystore error -4")
    }
}

private class FakeProvider(daemon: Daemon) : Provider("AndroidKeyStore", "1", "a Keystore for tests") {
    init {
        provide("KeyStore", "AndroidKeyStore") { FakeKeyStore(daemon) }
        provide("KeyGenerator", "AES") { FakeKeyGenerator(daemon) }
    }

    private fun provide(type: String, algorithm: String, create: () -> Any) = putService(
        object : Service(this, type, algorithm, type, null, null) {
            override fun newInstance(parameter: Any?) = create()
        },
    )
}

class AndroidKeystoreTest {
    @TempDir
    lateinit var folder: File

    private val daemon = Daemon()
    private val key = ByteArray(32) { it.toByte() }

    @BeforeEach
    fun install() {
        Security.addProvider(FakeProvider(daemon))
    }

    @AfterEach
    fun uninstall() = Security.removeProvider("AndroidKeyStore")

    private fun storage(name: String = "session") =
        KeystoreStorage(File(folder, "$name.key"), AndroidKeystore("org.propusk.$name")) { true }

    private fun locked(call: () -> Any?) {
        assertThrows(SecureStorageException.Locked::class.java) { call() }
        daemon.answers.clear()
    }

    @Test
    fun `Keystore that does not answer is locked, also if it has answered in between`() {
        storage().save(key)
        daemon.answers += List(10) { false }
        locked { storage().load() }
        daemon.answers += listOf(false, true, false, false)
        locked { storage().load() }
        assertArrayEquals(key, storage().load())
    }

    @Test
    fun `key is found by a Keystore that has just started again`() {
        storage().save(key)
        daemon.answers += false
        assertArrayEquals(key, storage().load())
    }

    @Test
    fun `key is not replaced while the Keystore does not answer`() {
        storage().save(key)
        val before = daemon.keys.toMap()
        daemon.answers += listOf(false, false)
        locked { storage().save(key) }
        assertEquals(before, daemon.keys)
    }

    @Test
    fun `key that the Keystore does not have is lost, and no other key is touched`() {
        storage().save(key)
        storage("session.probe").save(key)
        daemon.keys -= "org.propusk.session"
        assertNull(storage().load())
        assertArrayEquals(key, storage("session.probe").load())
    }
}
