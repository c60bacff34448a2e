package dev.isthmus.tools.hub;

import dev.isthmus.tools.io.CommandException;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.GZIPInputStream;
import javax.net.ssl.SSLException;

/**
 * Asks the Hugging Face hub for files of model repositories, at the addresses
 * {@code ENDPOINT/REPOSITORY/resolve/REVISION/NAME}. Redirects are followed here and not by the HTTP client, since the
 * token is for the hub's own scheme, host and port only, and since the redirect to the place of a large file's bytes is
 * what describes the file. Any thread may ask.
 */
final class HubClient implements AutoCloseable {

    private static final int MOST_REDIRECTS = 10;
    private static final int PARTIAL_CONTENT = 206;
    private static final int RANGE_NOT_SATISFIABLE = 416;
    private static final String AGENT = "isthmus";
    private static final Pattern ETAG = Pattern.compile("(?:W/)?\"?([\\w-]{1,200})\"?");
    private static final Pattern SHA256 = Pattern.compile("[0-9a-f]{64}");
    private static final Pattern CONTENT_RANGE = Pattern.compile("bytes (\\d+)-\\d+/(\\d+|\\*)");

    private final HubSettings settings;
    private final HttpClient http;

    HubClient(HubSettings settings) {
        this.settings = settings;
        this.http = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .followRedirects(HttpClient.Redirect.NEVER)
                .connectTimeout(settings.answerTimeout())
                .proxy(new EnvironmentProxies(settings.environment()))
                .build();
    }

    /**
     * A file's bytes on their way.
     *
     * @param bytes the bytes; the caller closes them
     * @param from the position of the first one, which is not always the one asked for
     */
    record Content(InputStream bytes, long from) implements AutoCloseable {

        @Override
        public void close() {
            closeQuietly(bytes);
        }
    }

    /**
     * Describes a file.
     *
     * @param name at a revision: a branch, tag or commit
     * @return empty if the revision has no such file
     * @throws TransientException if another attempt may succeed
     * @throws CommandException if none will
     */
    Optional<RemoteFile> describe(HubName name, String file) throws TransientException {
        URI uri = address(name.repository(), name.revision().orElseThrow(), file);
        for (int i = 0; i < MOST_REDIRECTS; i++) {
            HttpResponse<InputStream> answer = send("HEAD", uri, 0);
            closeQuietly(answer.body());
            Optional<URI> next = redirect(answer);
            if (next.isPresent() && isHub(next.get())) {
                uri = next.get();
                continue;
            }
            if (next.isEmpty()) {
                if (HubFailures.isMissingFile(answer)) {
                    return Optional.empty();
                }
                HubFailures.check(answer, name, settings);
            }
            return Optional.of(described(answer, file, next.isPresent()));
        }
        throw tooManyRedirects(uri);
    }

    private static RemoteFile described(HttpResponse<?> answer, String file, boolean elsewhere) {
        HubFailures.refusePage(answer);
        String commit = header(answer, "X-Repo-Commit").orElse("");
        String etag = etag(answer).orElse("");
        if (!HubName.isCommit(commit) || etag.isEmpty()) {
            throw new CommandException(answer.uri() + ": expected a hub's description of the file (X-Repo-Commit and"
                    + " ETag), found neither; is HF_ENDPOINT the address of a hub?");
        }
        Optional<String> size = header(answer, "X-Linked-Size");
        if (size.isEmpty() && !elsewhere && isIdentity(answer)) {
            size = header(answer, "Content-Length");
        }
        return new RemoteFile(file, commit, etag, size.map(HubClient::number).orElse(RemoteFile.UNKNOWN_SIZE),
                Optional.of(etag).filter(SHA256.asMatchPredicate()));
    }

    /**
     * Asks for a file's bytes.
     *
     * @param from the position of the first byte wanted; what comes may begin at 0 all the same
     * @throws TransientException if another attempt may succeed
     * @throws CommandException if none will: the file has changed since it was described, among others
     */
    Content open(String repository, RemoteFile file, long from) throws TransientException {
        URI uri = address(repository, file.commit(), file.name());
        for (int i = 0; i < MOST_REDIRECTS; i++) {
            HttpResponse<InputStream> answer = send("GET", uri, from);
            try {
                Optional<URI> next = redirect(answer);
                requireUnchanged(answer, file, next);
                if (next.isPresent()) {
                    uri = next.get();
                } else if (from > 0 && !continues(answer)) {
                    from = 0;
                } else {
                    Content content = content(answer, repository, file, from);
                    answer = null;
                    return content;
                }
            } finally {
                if (answer != null) {
                    closeQuietly(answer.body());
                }
            }
        }
        throw tooManyRedirects(uri);
    }

    /** Whether the answer to a request for a range can be used. A compressed range cannot be decompressed alone. */
    private static boolean continues(HttpResponse<?> answer) {
        return answer.statusCode() != RANGE_NOT_SATISFIABLE
                && (answer.statusCode() != PARTIAL_CONTENT || isIdentity(answer));
    }

    private Content content(HttpResponse<InputStream> answer, String repository, RemoteFile file, long from)
            throws TransientException {
        HubFailures.check(answer, new HubName(repository, Optional.of(file.commit())), settings);
        HubFailures.refusePage(answer);
        long begin = answer.statusCode() == PARTIAL_CONTENT ? rangeBegin(answer, file, from) : 0;
        InputStream bytes = new StallGuard(answer.body(), settings.stallTimeout());
        if (isIdentity(answer)) {
            Optional<Long> length = header(answer, "Content-Length").map(HubClient::number);
            if (length.isPresent() && !file.hasSize(begin + length.get())) {
                throw changed(answer, file, "its size was " + file.size() + " bytes and is now "
                        + (begin + length.get()));
            }
            return new Content(bytes, begin);
        }
        String encoding = header(answer, "Content-Encoding").orElseThrow();
        if (!encoding.equalsIgnoreCase("gzip")) {
            throw new CommandException(answer.uri() + ": expected the file as it is, found it in the encoding '"
                    + encoding + "', which was not asked for; a proxy may have done that");
        }
        try {
            return new Content(new GZIPInputStream(bytes), begin);
        } catch (IOException e) {
            throw HubFailures.ofNetwork(answer.uri(), e);
        }
    }

    private static long rangeBegin(HttpResponse<?> answer, RemoteFile file, long from) {
        String range = header(answer, "Content-Range").orElse("");
        Matcher matcher = CONTENT_RANGE.matcher(range);
        if (!matcher.matches() || number(matcher.group(1)) != from) {
            throw new CommandException(answer.uri() + ": asked for the bytes from " + from + " on, found '" + range
                    + "'; a proxy may be at fault");
        }
        if (!matcher.group(2).equals("*") && !file.hasSize(number(matcher.group(2)))) {
            throw changed(answer, file, "its size was " + file.size() + " bytes and is now " + matcher.group(2));
        }
        return from;
    }

    /** The hub's own answers name the contents; those of the place that it leads to have ETags of their own. */
    private void requireUnchanged(HttpResponse<?> answer, RemoteFile file, Optional<URI> next) {
        boolean describes = isHub(answer.uri()) && (next.isPresent() ? !isHub(next.get()) : answer.statusCode() < 300);
        Optional<String> etag = describes ? etag(answer) : Optional.empty();
        if (etag.isPresent() && !etag.get().equals(file.etag())) {
            throw changed(answer, file, "its ETag was " + file.etag() + " and is now " + etag.get());
        }
    }

    private static CommandException changed(HttpResponse<?> answer, RemoteFile file, String how) {
        return new CommandException(answer.uri() + ": " + file.name() + " changed on the hub while it was being"
                + " fetched: " + how + "; fetch again, and if that does not help, ask the repository's owner");
    }

    private HttpResponse<InputStream> send(String method, URI uri, long from) throws TransientException {
        HttpRequest.Builder request = HttpRequest.newBuilder(uri)
                .method(method, HttpRequest.BodyPublishers.noBody())
                .timeout(settings.answerTimeout())
                .header("User-Agent", AGENT)
                .header("Accept-Encoding", "identity");
        if (isHub(uri)) {
            settings.token().ifPresent(token -> request.header("Authorization", "Bearer " + token));
        }
        if (from > 0) {
            request.header("Range", "bytes=" + from + "-");
        }
        try {
            return http.send(request.build(), HttpResponse.BodyHandlers.ofInputStream());
        } catch (SSLException e) {
            throw new CommandException("the connection to " + uri.getHost() + " cannot be trusted (" + e.getMessage()
                    + "); where a proxy looks into connections, add its certificate to Java's with"
                    + " ISTHMUS_JAVA_OPTS=-Djavax.net.ssl.trustStore=FILE", e);
        } catch (IOException e) {
            throw HubFailures.ofNetwork(uri, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CommandException("interrupted while waiting for " + uri.getHost(), e);
        }
    }

    private Optional<URI> redirect(HttpResponse<?> answer) {
        if (answer.statusCode() / 100 != 3) {
            return Optional.empty();
        }
        URI next;
        try {
            next = header(answer, "Location").map(answer.uri()::resolve).orElse(null);
        } catch (IllegalArgumentException e) {
            next = null;
        }
        boolean follow = next != null && next.getHost() != null && ("https".equals(next.getScheme())
                || "http".equals(next.getScheme()) && "http".equals(answer.uri().getScheme()));
        if (!follow) {
            throw new CommandException(answer.uri() + ": the answer leads to '" + header(answer, "Location").orElse("")
                    + "', which is no safe address; a proxy or a login page of the network may be at fault");
        }
        return Optional.of(next);
    }

    private boolean isHub(URI uri) {
        URI hub = settings.endpoint();
        return hub.getScheme().equals(uri.getScheme()) && hub.getHost().equalsIgnoreCase(uri.getHost())
                && hub.getPort() == uri.getPort();
    }

    private URI address(String repository, String revision, String file) {
        return URI.create(settings.endpoint() + "/" + repository + "/resolve/"
                + URLEncoder.encode(revision, StandardCharsets.UTF_8) + "/"
                + URLEncoder.encode(file, StandardCharsets.UTF_8).replace("+", "%20"));
    }

    private static CommandException tooManyRedirects(URI uri) {
        return new CommandException(uri + ": more than " + MOST_REDIRECTS + " redirects; a proxy or a login page of the"
                + " network may be at fault");
    }

    private static Optional<String> etag(HttpResponse<?> answer) {
        return header(answer, "X-Linked-ETag").or(() -> header(answer, "ETag")).map(ETAG::matcher)
                .filter(Matcher::matches).map(matcher -> matcher.group(1));
    }

    private static boolean isIdentity(HttpResponse<?> answer) {
        return header(answer, "Content-Encoding").orElse("identity").equalsIgnoreCase("identity");
    }

    private static Optional<String> header(HttpResponse<?> answer, String name) {
        return answer.headers().firstValue(name);
    }

    /** A count of bytes; beyond any file's where it is no number that fits. */
    private static long number(String text) {
        try {
            return Long.parseLong(text.strip());
        } catch (NumberFormatException e) {
            return Long.MAX_VALUE;
        }
    }

    private static void closeQuietly(InputStream body) {
        try {
            body.close();
        } catch (IOException e) {
            // Nobody wants the rest of it.
        }
    }

    @Override
    public void close() {
        http.shutdownNow();
    }
}
