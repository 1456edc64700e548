// An HTTP server in the test process, at a free port: another origin, or one that redirects.

import Foundation

/// Answers every request with what the handler returns for it. Requests are kept with their headers.
final class LocalServer: @unchecked Sendable {
    struct Request {
        let path: String
        let headers: [String: String]
    }

    let origin: String
    private let socket: Int32
    private let lock = NSLock()
    private var received: [Request] = []

    var requests: [Request] { lock.withLock { received } }

    /// The handler returns a status line with headers, without the blank line after them.
    init(_ handler: @escaping @Sendable (Request) -> String) throws {
        #if os(Linux)
        let stream = Int32(SOCK_STREAM.rawValue)
        #else
        let stream = SOCK_STREAM
        #endif
        socket = Foundation.socket(AF_INET, stream, 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let socket = socket
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, size) == 0 && listen(socket, 16) == 0
                    && getsockname(socket, $0, &size) == 0
            }
        }
        guard bound else { throw POSIXError(.EADDRNOTAVAIL) }
        origin = "http://127.0.0.1:\(UInt16(bigEndian: address.sin_port))"
        Thread { [weak self] in
            while case let connection = accept(socket, nil, nil), connection >= 0 {
                if let request = Self.read(connection) {
                    self?.keep(request)
                    Self.write(handler(request), to: connection)
                }
                close(connection)
            }
        }.start()
    }

    deinit {
        shutdown(socket, Int32(SHUT_RDWR))
        close(socket)
    }

    private func keep(_ request: Request) {
        lock.withLock { received.append(request) }
    }

    private static func read(_ connection: Int32) -> Request? {
        var text = "", buffer = [UInt8](repeating: 0, count: 4096)
        while !text.contains("\r\n\r\n") {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return nil }
            text += String(decoding: buffer[..<count], as: UTF8.self)
        }
        let lines = text.components(separatedBy: "\r\n")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { break }
            headers[line[..<colon].lowercased()] = line[colon...].dropFirst(2).description
        }
        return Request(path: lines[0].components(separatedBy: " ")[1], headers: headers)
    }

    private static func write(_ head: String, to connection: Int32) {
        let answer = Array("HTTP/1.1 \(head)\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".utf8)
        var sent = 0
        while sent < answer.count {
            let count = answer[sent...].withUnsafeBytes { send(connection, $0.baseAddress, $0.count, 0) }
            guard count > 0 else { return }
            sent += count
        }
    }
}
