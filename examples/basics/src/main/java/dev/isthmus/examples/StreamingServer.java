package dev.isthmus.examples;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.isthmus.engine.api.GenerationOptions;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.api.Token;
import dev.isthmus.engine.errors.ContextFullException;
import dev.isthmus.engine.errors.InvalidInputException;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.Executors;

/**
 * Answers each request with a continuation of its body, token by token: {@code StreamingServer MODEL PORT}, then
 * {@code curl --no-buffer --data 'Once upon a time' localhost:PORT}. A client that hangs up ends the work on its text.
 */
public final class StreamingServer {

    private static final GenerationOptions OPTIONS = GenerationOptions.builder().maxTokens(100).build();

    private StreamingServer() {}

    /** Takes the model's directory and the port, 0 for any that is free. */
    public static void main(String[] args) throws IOException {
        Model model = Model.open(Path.of(args[0]));
        InetSocketAddress address = new InetSocketAddress(InetAddress.getLoopbackAddress(), Integer.parseInt(args[1]));
        HttpServer server = HttpServer.create(address, 0);
        server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        server.createContext("/", exchange -> answer(model, exchange));
        server.start();
        System.out.println("http://localhost:" + server.getAddress().getPort());
    }

    private static void answer(Model model, HttpExchange exchange) throws IOException {
        try (exchange; Session session = model.newSession()) {
            try {
                session.append(new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
            } catch (InvalidInputException | ContextFullException refused) {
                exchange.sendResponseHeaders(400, 0);
                exchange.getResponseBody().write(refused.getMessage().getBytes(StandardCharsets.UTF_8));
                return;
            }
            exchange.getResponseHeaders().set("Content-Type", "text/plain; charset=utf-8");
            exchange.sendResponseHeaders(200, 0);
            OutputStream body = exchange.getResponseBody();
            for (Token token : session.generate(OPTIONS)) {
                body.write(token.text().getBytes(StandardCharsets.UTF_8));
                body.flush();
            }
        }
    }
}
