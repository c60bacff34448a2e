package dev.isthmus.tools.hub;

import java.util.Optional;

/**
 * A file as the hub describes it.
 *
 * @param name its name in the repository
 * @param commit the commit that it was found at, 40 hexadecimal digits
 * @param etag the hub's name for these very contents, and the blob's name in the cache. For large files it is their
 *     SHA-256, for others the SHA-1 that git gives them
 * @param size in bytes; {@link #UNKNOWN_SIZE} if the hub does not say
 * @param sha256 in hexadecimal, where the ETag or the list of official files has it
 */
public record RemoteFile(String name, String commit, String etag, long size, Optional<String> sha256) {

    static final long UNKNOWN_SIZE = -1;

    /** The most that is read of a file of unknown size: as much as the readers of text files accept. */
    private static final long LONGEST_OF_UNKNOWN_SIZE = 100_000_000;

    /** More bytes than this are not the file. */
    long limit() {
        return size == UNKNOWN_SIZE ? LONGEST_OF_UNKNOWN_SIZE : size;
    }

    boolean hasSize(long bytes) {
        return size == UNKNOWN_SIZE || size == bytes;
    }
}
