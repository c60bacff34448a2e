package dev.isthmus.tools.hub;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.UnaryOperator;

/**
 * Plays the Hugging Face hub, as its answers are described in huggingface_hub's file_download.py: small files come from
 * the hub itself, with git's SHA-1 as ETag; safetensors come from a second host, to which the hub redirects with the
 * SHA-256 as X-Linked-ETag. Any answer can be changed into a fault.
 */
final class FakeHub implements AutoCloseable {

    /** Which server a request came to. */
    enum Host {
        HUB, STORE
    }

    /** A request that came. */
    record Request(Host host, String method, String path, Map<String, String> headers) {

        /** The file that it is about. */
        String file() {
            return path.substring(path.lastIndexOf('/') + 1);
        }

        Optional<String> header(String name) {
            return Optional.ofNullable(headers.get(name.toLowerCase(Locale.ROOT)));
        }

        int from() {
            return header("Range").map(range -> Integer.parseInt(range.replaceAll("\\D", ""))).orElse(0);
        }
    }

    /** Changes a good answer. */
    record Fault(Host host, String method, String file, UnaryOperator<Reply> change) {}

    private record Repository(Map<String, String> revisions, Map<String, Map<String, byte[]>> commits) {}

    private final ServerSocket hub = listen();
    private final ServerSocket store = listen();
    private final Map<String, Repository> repositories = new ConcurrentHashMap<>();
    private final List<Fault> faults = new CopyOnWriteArrayList<>();

    /** All requests that came, in their order. */
    final List<Request> requests = new CopyOnWriteArrayList<>();

    private volatile String token;

    FakeHub() {
        Thread.ofVirtual().start(() -> serve(hub, Host.HUB));
        Thread.ofVirtual().start(() -> serve(store, Host.STORE));
    }

    private static ServerSocket listen() {
        try {
            return new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    URI endpoint() {
        return URI.create("http://127.0.0.1:" + hub.getLocalPort());
    }

    /** Puts files at a branch; returns the commit that they are at. */
    String publish(String repository, String branch, Map<String, byte[]> files) {
        String commit = hash("SHA-1", (repository + branch + files.hashCode()).getBytes(StandardCharsets.UTF_8));
        publish(repository, branch, commit, files);
        return commit;
    }

    /** Puts files at a branch and a commit. */
    void publish(String repository, String branch, String commit, Map<String, byte[]> files) {
        Repository place = repositories.computeIfAbsent(repository,
                name -> new Repository(new ConcurrentHashMap<>(), new ConcurrentHashMap<>()));
        place.revisions().put(branch, commit);
        place.revisions().put(commit, commit);
        place.commits().put(commit, files);
    }

    /** Answers only those who send this token. */
    void require(String token) {
        this.token = token;
    }

    /** Changes the next answer to such a request; several changes take their turns. */
    void once(Host host, String method, String file, UnaryOperator<Reply> change) {
        faults.add(new Fault(host, method, file, change));
    }

    /** Changes the next so many answers to such requests. */
    void times(int count, Host host, String method, String file, UnaryOperator<Reply> change) {
        for (int i = 0; i < count; i++) {
            once(host, method, file, change);
        }
    }

    List<Request> requests(Host host, String method, String file) {
        return requests.stream().filter(request -> request.host() == host && request.method().equals(method)
                && request.file().equals(file)).toList();
    }

    private void serve(ServerSocket server, Host host) {
        try {
            while (true) {
                Socket socket = server.accept();
                Thread.ofVirtual().start(() -> answer(socket, host));
            }
        } catch (IOException e) {
            // Closed: the test is over.
        }
    }

    private void answer(Socket socket, Host host) {
        try (socket) {
            Request request = read(socket, host);
            requests.add(request);
            Reply reply = host == Host.HUB ? hub(request) : stored(request);
            for (Fault fault : faults) {
                if (fault.host() == host && fault.method().equals(request.method())
                        && request.file().equals(fault.file()) && faults.remove(fault)) {
                    reply = fault.change().apply(reply);
                    break;
                }
            }
            reply.write(socket.getOutputStream(), !request.method().equals("HEAD"));
        } catch (IOException e) {
            // The client has left.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static Request read(Socket socket, Host host) throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(socket.getInputStream(),
                StandardCharsets.ISO_8859_1));
        String[] first = String.valueOf(in.readLine()).split(" ");
        if (first.length < 2) {
            throw new IOException("no request");
        }
        Map<String, String> headers = new TreeMap<>();
        for (String line = in.readLine(); line != null && !line.isEmpty(); line = in.readLine()) {
            String[] header = line.split(": ", 2);
            headers.put(header[0].toLowerCase(Locale.ROOT), header[1]);
        }
        return new Request(host, first[0], first[1], headers);
    }

    private Reply hub(Request request) {
        if (token != null && !request.header("Authorization").equals(Optional.of("Bearer " + token))) {
            return Reply.status(401).with("X-Error-Message", "Invalid username or password.");
        }
        String[] parts = request.path().substring(1).split("/resolve/");
        Repository repository = repositories.get(parts[0]);
        if (repository == null) {
            return Reply.status(404).with("X-Error-Code", "RepoNotFound");
        }
        String[] place = parts[1].split("/", 2);
        String commit = repository.revisions().get(URLDecoder.decode(place[0], StandardCharsets.UTF_8));
        if (commit == null) {
            return Reply.status(404).with("X-Error-Code", "RevisionNotFound");
        }
        byte[] bytes = repository.commits().get(commit).get(place[1]);
        if (bytes == null) {
            return Reply.status(404).with("X-Error-Code", "EntryNotFound").with("X-Repo-Commit", commit);
        }
        if (!place[1].endsWith(".safetensors")) {
            return Reply.file(bytes, request.from()).with("X-Repo-Commit", commit)
                    .with("ETag", "\"" + gitHash(bytes) + "\"").with("Content-Type", "text/plain; charset=utf-8");
        }
        String address = "http://localhost:" + store.getLocalPort() + "/" + parts[0] + "/" + commit + "/";
        return Reply.status(302).with("X-Repo-Commit", commit).with("X-Linked-ETag", "\"" + sha256(bytes) + "\"")
                .with("X-Linked-Size", bytes.length + "").with("Location", address + place[1]);
    }

    private Reply stored(Request request) {
        String[] parts = request.path().substring(1).split("/");
        byte[] bytes = repositories.get(parts[0] + "/" + parts[1]).commits().get(parts[2]).get(parts[3]);
        return Reply.file(bytes, request.from()).with("ETag", "\"the store's own\"");
    }

    static String sha256(byte[] bytes) {
        return hash("SHA-256", bytes);
    }

    static String gitHash(byte[] bytes) {
        byte[] header = ("blob " + bytes.length + "\0").getBytes(StandardCharsets.US_ASCII);
        byte[] both = Arrays.copyOf(header, header.length + bytes.length);
        System.arraycopy(bytes, 0, both, header.length, bytes.length);
        return hash("SHA-1", both);
    }

    private static String hash(String algorithm, byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance(algorithm).digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void close() throws IOException {
        hub.close();
        store.close();
    }
}
