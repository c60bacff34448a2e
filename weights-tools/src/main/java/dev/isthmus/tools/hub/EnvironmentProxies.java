package dev.isthmus.tools.hub;

import dev.isthmus.tools.io.CommandException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.SocketAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

/**
 * The proxies that {@code HTTPS_PROXY}, {@code HTTP_PROXY}, {@code ALL_PROXY} and {@code NO_PROXY} name, in either
 * case, as Python and curl read them; where none is set, what Java's own properties say.
 */
final class EnvironmentProxies extends ProxySelector {

    private static final int DEFAULT_PORT = 80;

    private final Map<String, String> environment;

    EnvironmentProxies(Map<String, String> environment) {
        this.environment = environment;
    }

    @Override
    public List<Proxy> select(URI uri) {
        String text = first(uri.getScheme() + "_proxy", "all_proxy");
        if (text.isEmpty()) {
            return ProxySelector.getDefault().select(uri);
        }
        return isExcepted(uri.getHost()) ? List.of(Proxy.NO_PROXY) : List.of(proxy(text));
    }

    private String first(String... names) {
        return Stream.of(names).flatMap(name -> Stream.of(name, name.toUpperCase(Locale.ROOT)))
                .map(name -> environment.getOrDefault(name, "")).filter(value -> !value.isEmpty()).findFirst()
                .orElse("");
    }

    private boolean isExcepted(String host) {
        return Stream.of(first("no_proxy").split(",")).map(String::strip).filter(name -> !name.isEmpty())
                .map(name -> name.startsWith(".") ? name.substring(1) : name)
                .anyMatch(name -> name.equals("*") || host.equalsIgnoreCase(name)
                        || host.toLowerCase(Locale.ROOT).endsWith("." + name.toLowerCase(Locale.ROOT)));
    }

    private static Proxy proxy(String text) {
        try {
            URI uri = new URI(text.contains("://") ? text : "http://" + text);
            if ("http".equals(uri.getScheme()) && uri.getHost() != null && uri.getUserInfo() == null) {
                int port = uri.getPort() < 0 ? DEFAULT_PORT : uri.getPort();
                return new Proxy(Proxy.Type.HTTP, new InetSocketAddress(uri.getHost(), port));
            }
        } catch (URISyntaxException e) {
            // Refused below, without the text: it may hold a password.
        }
        throw new CommandException("the proxy in the environment (HTTPS_PROXY and the like) is of a kind that isthmus"
                + " cannot use; expected http://HOST:PORT without a user's name");
    }

    @Override
    public void connectFailed(URI uri, SocketAddress address, IOException failure) {
        // The request itself fails and says so.
    }
}
