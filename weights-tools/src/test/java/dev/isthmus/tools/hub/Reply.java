package dev.isthmus.tools.hub;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.GZIPOutputStream;

/**
 * What a server sends, byte by byte if need be: good answers, and the faults of networks, proxies and servers.
 *
 * @param status the status
 * @param headers its headers
 * @param body writes the body
 */
record Reply(int status, Map<String, String> headers, Body body) {

    /** Writes a body. */
    @FunctionalInterface
    interface Body {
        void write(OutputStream out) throws IOException, InterruptedException;
    }

    static Reply status(int status) {
        return new Reply(status, Map.of("Content-Length", "0"), out -> { });
    }

    /** The bytes of a file from a position on, as a good server sends them. */
    static Reply file(byte[] bytes, int from) {
        Reply reply = new Reply(from > 0 ? 206 : 200, Map.of("Content-Length", bytes.length - from + ""),
                out -> out.write(bytes, from, bytes.length - from));
        return from > 0 ? reply.with("Content-Range", "bytes " + from + "-" + (bytes.length - 1) + "/" + bytes.length)
                : reply;
    }

    static Reply page() {
        byte[] page = "<html><body>Please log in</body></html>".getBytes(StandardCharsets.UTF_8);
        return file(page, 0).with("Content-Type", "text/html; charset=utf-8");
    }

    static Reply gzip(byte[] bytes) {
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(packed)) {
            gzip.write(bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return file(packed.toByteArray(), 0).with("Content-Encoding", "gzip");
    }

    Reply with(String name, String value) {
        Map<String, String> more = new LinkedHashMap<>(headers);
        more.put(name, value);
        return new Reply(status, more, body);
    }

    Reply without(String name) {
        Map<String, String> less = new LinkedHashMap<>(headers);
        less.remove(name);
        return new Reply(status, less, body);
    }

    /** The same, with so many bytes of the body and then the end of the connection. */
    Reply cutAfter(int bytes) {
        return new Reply(status, headers, out -> out.write(Arrays.copyOf(whole(), bytes)));
    }

    /** The same, with so many bytes of the body and then nothing for as long as the connection lasts. */
    Reply stalledAfter(int bytes) {
        return new Reply(status, headers, out -> {
            out.write(Arrays.copyOf(whole(), bytes));
            out.flush();
            Thread.sleep(60_000);
        });
    }

    /** The same, in so many pieces with pauses between them. */
    Reply dripping(int pieces, int pauseMillis) {
        return new Reply(status, headers, out -> {
            byte[] whole = whole();
            for (int i = 0; i < pieces; i++) {
                int begin = (int) ((long) whole.length * i / pieces);
                int end = (int) ((long) whole.length * (i + 1) / pieces);
                out.write(whole, begin, end - begin);
                out.flush();
                Thread.sleep(pauseMillis);
            }
        });
    }

    /** The same, with one byte of the body changed. */
    Reply damaged() {
        return new Reply(status, headers, out -> {
            byte[] whole = whole();
            whole[whole.length / 2] ^= 1;
            out.write(whole);
        });
    }

    private byte[] whole() throws IOException, InterruptedException {
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        body.write(whole);
        return whole.toByteArray();
    }

    void write(OutputStream out, boolean withBody) throws IOException, InterruptedException {
        StringBuilder head = new StringBuilder("HTTP/1.1 " + status + " -\r\nConnection: close\r\n");
        headers.forEach((name, value) -> head.append(name).append(": ").append(value).append("\r\n"));
        out.write(head.append("\r\n").toString().getBytes(StandardCharsets.ISO_8859_1));
        if (withBody) {
            body.write(out);
        }
        out.flush();
    }
}
