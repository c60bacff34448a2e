package dev.isthmus.bindings;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.JarURLConnection;
import java.net.URI;
import java.net.URL;
import java.net.URLConnection;
import java.nio.file.Path;
import java.util.Optional;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.zip.CRC32;
import java.util.zip.CheckedInputStream;

/**
 * A native library's file among the class path's resources. For an entry of a jar its size and checksum come from
 * the jar's directory, without reading the entry.
 *
 * @param fileName the file's name without its folder
 * @param url      where it lies
 * @param size     its length in bytes
 * @param crc      its CRC-32
 */
record BundledResource(String fileName, URL url, long size, long crc) {
    /**
     * Looks for the resource {@code folder/fileName}.
     *
     * @return the resource, empty where the class path has none
     * @throws IOException where it is there and cannot be read
     */
    static Optional<BundledResource> find(ClassLoader classLoader, String folder, String fileName)
            throws IOException {
        URL url = classLoader.getResource(folder + "/" + fileName);
        if (url == null) {
            return Optional.empty();
        }
        URLConnection connection = open(url);
        if (connection instanceof JarURLConnection jarConnection) {
            try (JarFile jar = jarConnection.getJarFile()) {
                JarEntry entry = jar.getJarEntry(jarConnection.getEntryName());
                if (entry != null && entry.getSize() >= 0 && entry.getCrc() >= 0) {
                    return Optional.of(new BundledResource(fileName, url, entry.getSize(), entry.getCrc()));
                }
            }
        }
        try (CheckedInputStream in = new CheckedInputStream(open(url).getInputStream(), new CRC32())) {
            long size = in.transferTo(OutputStream.nullOutputStream());
            return Optional.of(new BundledResource(fileName, url, size, in.getChecksum().getValue()));
        }
    }

    /** The resource's own file, where it is one and can be loaded as it is, as in a build's class folder. */
    Optional<Path> file() {
        return url.getProtocol().equals("file") ? Optional.of(Path.of(URI.create(url.toString()))) : Optional.empty();
    }

    /** The resource's bytes. */
    InputStream open() throws IOException {
        return open(url).getInputStream();
    }

    /** Without the JVM-wide cache of open jars, so that closing the stream closes the jar too. */
    private static URLConnection open(URL url) throws IOException {
        URLConnection connection = url.openConnection();
        connection.setUseCaches(false);
        return connection;
    }
}
