package dev.isthmus.tools.hub;

import dev.isthmus.tools.io.CommandException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.channels.UnresolvedAddressException;
import java.time.Duration;
import java.util.Optional;

/** What to tell the user of a hub's refusals and a network's failures. */
final class HubFailures {

    private HubFailures() {}

    /** Whether the hub says that a revision lacks a file. Plain mirrors give no reason for what they do not have. */
    static boolean isMissingFile(HttpResponse<?> answer) {
        return answer.statusCode() == 404 && code(answer).orElse("EntryNotFound").equals("EntryNotFound")
                && !isPage(answer);
    }

    /**
     * Goes on where an answer is good.
     *
     * @throws TransientException if another attempt may bring a better one
     * @throws CommandException if none will
     */
    static void check(HttpResponse<?> answer, HubName name, HubSettings settings) throws TransientException {
        int status = answer.statusCode();
        String where = name + " (" + answer.uri().getHost() + ", status " + status + ")";
        switch (status) {
            case 200, 206 -> { }
            case 401 -> throw new CommandException(unauthorized(answer, where, settings));
            case 403 -> throw new CommandException(where + ": access is forbidden"
                    + answer.headers().firstValue("X-Error-Message").map(text -> " ('" + text + "')").orElse("")
                    + (settings.token().isPresent()
                            ? "; look at " + settings.endpoint() + "/" + name.repository() + " whether its conditions"
                                    + " must be accepted first, and whether the token may read it"
                            : "; if the model is not open to all, set HF_TOKEN to a token that may read it")
                    + page(answer));
            case 404 -> throw new CommandException(notFound(answer, where, settings));
            case 407 -> throw new CommandException(where + ": the proxy asks for a user's name, which isthmus cannot"
                    + " give; use a proxy without, or 'hf download " + name.repository() + "'");
            case 429 -> throw new TransientException(where + ": the hub limits how much may be asked of it"
                    + (settings.token().isPresent() ? "" : " (with HF_TOKEN set, it is more)"), pause(answer));
            case 408, 500, 502, 503, 504 -> throw new TransientException(where + ": the hub has a failure of its own"
                    + page(answer), pause(answer));
            default -> throw new CommandException(where + ": expected status 200" + page(answer)
                    + "; try again later, or look at " + settings.endpoint() + "/" + name.repository());
        }
    }

    private static String unauthorized(HttpResponse<?> answer, String where, HubSettings settings) {
        if (code(answer).orElse("").equals("GatedRepo")) {
            return where + ": this model is for those who have accepted its conditions: do so on its page, then set"
                    + " HF_TOKEN to a token of yours";
        }
        return where + (settings.token().isPresent()
                ? ": the hub does not accept the token; check HF_TOKEN (or the token's file), or leave it away, and"
                        + " check the model's name"
                : ": there is no such model, or it is not open to all; check the name, or set HF_TOKEN to a token that"
                        + " may read it") + page(answer);
    }

    private static String notFound(HttpResponse<?> answer, String where, HubSettings settings) {
        return switch (code(answer).orElse("")) {
            case "RevisionNotFound" -> where + ": the model has no such revision; give a branch, a tag or a commit";
            case "RepoNotFound" -> where + ": there is no such model"
                    + (settings.token().isPresent() ? ", or the token may not see it" : "") + "; check the name";
            default -> where + ": not found" + page(answer) + "; check the name"
                    + " and HF_ENDPOINT (" + settings.endpoint() + ")";
        };
    }

    /** Refuses what is not the hub's: weights, JSON and merges are never HTML. */
    static void refusePage(HttpResponse<?> answer) {
        if (isPage(answer)) {
            throw new CommandException(answer.uri() + ": expected a file, found a page of HTML, as proxies, firewalls"
                    + " and the login pages of networks send; open the address in a browser, or set HTTPS_PROXY or"
                    + " HF_ENDPOINT");
        }
    }

    private static boolean isPage(HttpResponse<?> answer) {
        return answer.headers().firstValue("Content-Type").orElse("").startsWith("text/html");
    }

    private static String page(HttpResponse<?> answer) {
        return isPage(answer) && code(answer).isEmpty()
                ? " (the answer is a page of HTML: a proxy or firewall may have sent it)" : "";
    }

    private static Optional<String> code(HttpResponse<?> answer) {
        return answer.headers().firstValue("X-Error-Code");
    }

    /** Retry-After in seconds; a date there is not read, as in huggingface_hub. */
    private static Optional<Duration> pause(HttpResponse<?> answer) {
        return answer.headers().firstValue("Retry-After").map(String::strip)
                .filter(text -> text.matches("\\d{1,9}")).map(text -> Duration.ofSeconds(Integer.parseInt(text)));
    }

    /** What may be over at the next attempt. */
    static TransientException ofNetwork(URI uri, IOException failure) {
        String host = uri.getHost();
        String message = switch (failure) {
            case HttpTimeoutException e -> host + " does not answer; check the network, or allow more seconds with"
                    + " HF_HUB_ETAG_TIMEOUT";
            case ConnectException e -> unreachable(host,
                    isUnresolved(e) ? "its name is not known" : "the connection is refused");
            default -> "the connection to " + host + " broke off (" + failure.getMessage() + ")";
        };
        return new TransientException(message, failure);
    }

    private static boolean isUnresolved(Throwable failure) {
        return failure instanceof UnresolvedAddressException
                || failure.getCause() != null && isUnresolved(failure.getCause());
    }

    private static String unreachable(String host, String why) {
        return "cannot reach " + host + ": " + why + "; check the network, HTTPS_PROXY and HF_ENDPOINT";
    }
}
