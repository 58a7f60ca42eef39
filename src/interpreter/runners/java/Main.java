import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import jdk.jshell.Diag;
import jdk.jshell.EvalException;
import jdk.jshell.JShell;
import jdk.jshell.JShellException;
import jdk.jshell.Snippet;
import jdk.jshell.SnippetEvent;
import jdk.jshell.SourceCodeAnalysis;
import jdk.jshell.SourceCodeAnalysis.Completeness;

/**
 * Runner of Java cells, by JShell in this process. Started from its source:
 * java --add-opens=java.base/java.io=ALL-UNNAMED --add-opens=java.base/java.lang=ALL-UNNAMED Main.java
 * (the first for the inherited socket, the second for the environment).
 */
public final class Main {
    private static final int SOCKET = 3;

    public static void main(String[] arguments) throws Exception {
        Channel channel = new Channel(SOCKET);
        Context context = new Context(channel);
        for (Frame frame = channel.receive(); frame != null; frame = channel.receive()) {
            context.handle(frame);
        }
        Runtime.getRuntime().halt(0);
    }

    record Frame(char kind, Map<String, Object> body) {}

    /** Frames between agent and runner (src/interpreter/frame.h). */
    static final class Channel {
        private static final int HEADER = 8;
        private static final int MAX_TEXT = 64 * 1024;
        private static final int MAX_PAYLOAD = 64 * 1024 * 1024;
        private final InputStream in;
        private final OutputStream out;

        Channel(int number) throws ReflectiveOperationException {
            Constructor<FileDescriptor> open = FileDescriptor.class.getDeclaredConstructor(int.class);
            open.setAccessible(true);
            FileDescriptor socket = open.newInstance(number);
            in = new FileInputStream(socket);
            out = new FileOutputStream(socket);
        }

        /** Null at the end of the connection. readNBytes() would seek, which a socket cannot. */
        private byte[] read(int size) throws IOException {
            byte[] bytes = new byte[size];
            for (int filled = 0; filled < size;) {
                int part = in.read(bytes, filled, size - filled);
                if (part < 0) {
                    return null;
                }
                filled += part;
            }
            return bytes;
        }

        Frame receive() throws IOException {
            byte[] header = read(HEADER);
            if (header == null) {
                return null;
            }
            int length = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN).getInt();
            byte[] body = read(length);
            return body == null ? null
                : new Frame((char) header[4], new JsonReader(new String(body, StandardCharsets.UTF_8)).object());
        }

        synchronized void send(char kind, byte[] payload, int from, int length) {
            ByteBuffer frame = ByteBuffer.allocate(HEADER + length).order(ByteOrder.LITTLE_ENDIAN);
            frame.putInt(length).put((byte) kind).put(new byte[3]).put(payload, from, length);
            try {
                out.write(frame.array());
            } catch (IOException gone) {
                Runtime.getRuntime().halt(1);
            }
        }

        /** False if it is too long for a frame; nothing was sent then. */
        boolean sendJson(char kind, Map<String, ?> value) {
            StringBuilder text = new StringBuilder();
            JsonWriter.write(text, value);
            if (text.length() > MAX_PAYLOAD) {
                return false;
            }
            send(kind, text.toString().getBytes(StandardCharsets.US_ASCII), 0, text.length());
            return true;
        }

        /** Sends text in pieces that end between characters; returns how many bytes went, all but the start of a character. */
        int sendText(char kind, byte[] text, int length) {
            int start = 0;
            while (start < length) {
                int end = Math.min(length, start + MAX_TEXT);
                int whole = end - unfinished(text, start, end);
                if (whole == start) {
                    break;
                }
                send(kind, text, start, whole - start);
                start = whole;
            }
            return start;
        }

        /** How many bytes at the end are the beginning of a character of UTF-8. */
        private static int unfinished(byte[] text, int start, int end) {
            for (int back = 1; back <= 3 && end - back >= start; back++) {
                int unit = text[end - back] & 0xff;
                if (unit >= 0xc0) {
                    int size = unit >= 0xf0 ? 4 : unit >= 0xe0 ? 3 : 2;
                    return size > back ? back : 0;
                }
                if (unit < 0x80) {
                    return 0;
                }
            }
            return 0;
        }
    }

    /** What the agent sends: objects, strings, numbers, booleans and null. */
    static final class JsonReader {
        private final String text;
        private int at;

        JsonReader(String text) {
            this.text = text;
        }

        private char next() {
            while (Character.isWhitespace(text.charAt(at))) {
                at++;
            }
            return text.charAt(at);
        }

        Map<String, Object> object() {
            Map<String, Object> members = new LinkedHashMap<>();
            next();
            at++;
            while (next() != '}') {
                if (next() == ',') {
                    at++;
                    next();
                }
                String name = string();
                next();
                at++;
                members.put(name, value());
            }
            at++;
            return members;
        }

        private Object value() {
            return switch (next()) {
                case '{' -> object();
                case '"' -> string();
                default -> word();
            };
        }

        private Object word() {
            int start = at;
            while (at < text.length() && ",}] \t\r\n".indexOf(text.charAt(at)) < 0) {
                at++;
            }
            String word = text.substring(start, at);
            return switch (word) {
                case "true" -> true;
                case "false" -> false;
                case "null" -> null;
                default -> Double.valueOf(word);
            };
        }

        private String string() {
            StringBuilder out = new StringBuilder();
            for (at++; text.charAt(at) != '"'; at++) {
                char unit = text.charAt(at);
                if (unit != '\\') {
                    out.append(unit);
                    continue;
                }
                unit = text.charAt(++at);
                switch (unit) {
                    case 'b' -> out.append('\b');
                    case 'f' -> out.append('\f');
                    case 'n' -> out.append('\n');
                    case 'r' -> out.append('\r');
                    case 't' -> out.append('\t');
                    case 'u' -> {
                        out.append((char) Integer.parseInt(text.substring(at + 1, at + 5), 16));
                        at += 4;
                    }
                    default -> out.append(unit);
                }
            }
            at++;
            return out.toString();
        }
    }

    /** JSON in ASCII, on one line. */
    static final class JsonWriter {
        static void write(StringBuilder out, Object value) {
            if (value instanceof Map<?, ?> members) {
                String between = "{";
                for (Map.Entry<?, ?> member : members.entrySet()) {
                    out.append(between);
                    string(out, (String) member.getKey());
                    out.append(':');
                    write(out, member.getValue());
                    between = ",";
                }
                out.append(members.isEmpty() ? "{}" : "}");
            } else if (value instanceof String text) {
                string(out, text);
            } else {
                out.append(value);
            }
        }

        private static void string(StringBuilder out, String text) {
            out.append('"');
            for (int i = 0; i < text.length(); i++) {
                char unit = text.charAt(i);
                if (unit == '"' || unit == '\\') {
                    out.append('\\').append(unit);
                } else if (unit < ' ' || unit > '~') {
                    out.append(String.format("\\u%04x", (int) unit));
                } else {
                    out.append(unit);
                }
            }
            out.append('"');
        }
    }

    /** Bytes of System.out or System.err as frames. */
    static final class FrameOutput extends OutputStream {
        private final Context context;
        private final char kind;
        private byte[] rest = new byte[0];

        FrameOutput(Context context, char kind) {
            this.context = context;
            this.kind = kind;
        }

        @Override
        public void write(int unit) {
            write(new byte[] {(byte) unit}, 0, 1);
        }

        @Override
        public synchronized void write(byte[] bytes, int from, int length) {
            byte[] text = Arrays.copyOf(rest, rest.length + length);
            System.arraycopy(bytes, from, text, rest.length, length);
            int sent = context.silent ? text.length : context.channel.sendText(kind, text, text.length);
            rest = Arrays.copyOfRange(text, sent, text.length);
        }
    }

    /** A class of its own: PrintStream itself would join the text of println() and the line break to one piece. */
    static final class FramePrintStream extends PrintStream {
        FramePrintStream(OutputStream out) {
            super(out, true, StandardCharsets.UTF_8);
        }
    }

    /** The environment of this process, which Java shows to programs as if it could not change. */
    static final class Environment {
        private final Map<String, String> variables;
        private final Set<String> ownProperties = new TreeSet<>(System.getProperties().stringPropertyNames());

        @SuppressWarnings("unchecked")
        Environment() throws ReflectiveOperationException {
            Class<?> environment = Class.forName("java.lang.ProcessEnvironment");
            Field all = environment.getDeclaredField("theEnvironment");
            all.setAccessible(true);
            Constructor<?> view = Class.forName("java.lang.ProcessEnvironment$StringEnvironment").getDeclaredConstructor(Map.class);
            view.setAccessible(true);
            variables = (Map<String, String>) view.newInstance(all.get(null));
        }

        /** Variables are system properties too, as programs for E2B's Java expect, except those that Java itself has. */
        void set(String name, String value) {
            if (value == null) {
                variables.remove(name);
            } else {
                variables.put(name, value);
            }
            if (ownProperties.contains(name) || name.isEmpty()) {
                return;
            }
            if (value == null) {
                System.clearProperty(name);
            } else {
                System.setProperty(name, value);
            }
        }

        void replace(Map<String, String> wanted) {
            for (String name : new ArrayList<>(variables.keySet())) {
                if (!wanted.containsKey(name)) {
                    set(name, null);
                }
            }
            wanted.forEach(this::set);
        }

        /** Sets variables for a cell; the action that is returned puts them back. */
        Runnable overlay(Map<String, String> extra) {
            Map<String, String> before = new HashMap<>();
            extra.keySet().forEach(name -> before.put(name, variables.get(name)));
            extra.forEach(this::set);
            return () -> before.forEach(this::set);
        }
    }

    /** How a cell failed. */
    static final class CellError extends Exception {
        final String name;
        final String text;

        CellError(String name, String message, String text) {
            super(message);
            this.name = name;
            this.text = text;
        }
    }

    static final class Context {
        private static final List<String> IMPORTS = List.of(
            "java.io.*", "java.math.*", "java.net.*", "java.nio.file.*", "java.util.*", "java.util.concurrent.*",
            "java.util.function.*", "java.util.regex.*", "java.util.stream.*");
        private static final int STOP_MILLISECONDS = 50;
        private static final Set<Snippet.SubKind> SHOWN = Set.of(
            Snippet.SubKind.TEMP_VAR_EXPRESSION_SUBKIND, Snippet.SubKind.VAR_VALUE_SUBKIND,
            Snippet.SubKind.OTHER_EXPRESSION_SUBKIND, Snippet.SubKind.ASSIGNMENT_SUBKIND);

        final Channel channel;
        volatile boolean silent;
        private final Environment environment = new Environment();
        private volatile boolean interrupted;
        private volatile boolean running;
        private JShell shell;
        private volatile int cells;
        private int count;

        Context(Channel channel) throws ReflectiveOperationException {
            this.channel = channel;
            System.setOut(new FramePrintStream(new FrameOutput(this, 'o')));
            System.setErr(new FramePrintStream(new FrameOutput(this, 'e')));
            System.setIn(new InputStream() {
                @Override
                public int read() throws IOException {
                    throw new IOException("cells have no standard input");
                }
            });
            handleInterrupts();
        }

        /** By reflection: the compiler would warn about the class, and the launcher print that. */
        private void handleInterrupts() throws ReflectiveOperationException {
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            InvocationHandler stop = (proxy, method, arguments) -> {
                if (method.getName().equals("handle") && running) {
                    interrupted = true;
                    stopCell();
                }
                return switch (method.getName()) {
                    case "hashCode" -> System.identityHashCode(proxy);
                    case "equals" -> proxy == arguments[0];
                    default -> null;
                };
            };
            signal.getMethod("handle", signal, handler).invoke(null, signal.getConstructor(String.class).newInstance("INT"),
                Proxy.newProxyInstance(handler.getClassLoader(), new Class<?>[] {handler}, stop));
        }

        /** JShell ends only what it executes just now, and a cell is several snippets that it compiles in between. */
        private void stopCell() throws InterruptedException {
            for (int cell = cells; running && cell == cells; Thread.sleep(STOP_MILLISECONDS)) {
                shell.stop();
            }
        }

        void handle(Frame frame) {
            switch (frame.kind()) {
                case 'I' -> {
                    environment.replace(strings(frame.body().get("env")));
                    System.setProperty("user.dir", (String) frame.body().get("cwd"));
                    channel.sendJson('R', Map.of("pid", ProcessHandle.current().pid()));
                    // The agent is answered: the compiler gets warm while the first cell is on its way.
                    shell = JShell.builder().executionEngine("local").build();
                    IMPORTS.forEach(name -> shell.eval("import " + name + ";"));
                }
                case 'A' -> {
                    environment.replace(strings(frame.body().get("env")));
                    channel.sendJson('R', Map.of("pid", ProcessHandle.current().pid()));
                }
                case 'N' -> {
                    strings(frame.body().get("env")).forEach(environment::set);
                    renewRandomness();
                    channel.sendJson('n', Map.of());
                }
                case 'X' -> execute(frame.body());
                default -> throw new IllegalArgumentException("a frame of kind " + frame.kind());
            }
        }

        /** Math.random(); SecureRandom, and with it UUID.randomUUID(), asks the kernel. */
        private static void renewRandomness() {
            try {
                Field generator = Class.forName("java.lang.Math$RandomNumberGeneratorHolder").getDeclaredField("randomNumberGenerator");
                generator.setAccessible(true);
                ((Random) generator.get(null)).setSeed(new SecureRandom().nextLong());
            } catch (ReflectiveOperationException unknown) {
                throw new IllegalStateException("this Java keeps Math.random() elsewhere", unknown);
            }
        }

        @SuppressWarnings("unchecked")
        private static Map<String, String> strings(Object members) {
            return members == null ? Map.of() : (Map<String, String>) members;
        }

        private void execute(Map<String, Object> request) {
            silent = Boolean.TRUE.equals(request.get("silent"));
            Runnable restore = environment.overlay(strings(request.get("env")));
            interrupted = false;
            cells++;
            running = true; // from the next frame on, the agent may interrupt
            if (!silent) {
                channel.sendJson('C', Map.of("execution_count", ++count));
            }
            try {
                run((String) request.get("code"));
            } catch (CellError error) {
                fail(error.name, error.getMessage(), error.text);
            } finally {
                running = false;
            }
            System.out.flush();
            System.err.flush();
            restore.run();
            channel.sendJson('D', Map.of());
        }

        private void fail(String name, String value, String text) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("type", "error");
            line.put("name", interrupted ? "KeyboardInterrupt" : name);
            line.put("value", interrupted ? "the cell was interrupted" : value);
            line.put("traceback", interrupted ? "KeyboardInterrupt: the cell was interrupted" : text);
            channel.sendJson('L', line);
        }

        /** Evaluates the snippets of a cell up to the first that fails; the value of the last one is the result. */
        private void run(String code) throws CellError {
            SnippetEvent last = null;
            String rest = code;
            while (!rest.isBlank() && !interrupted) {
                SourceCodeAnalysis.CompletionInfo info = shell.sourceCodeAnalysis().analyzeCompletion(rest);
                if (info.completeness() == Completeness.EMPTY) {
                    break;
                }
                if (info.completeness() == Completeness.DEFINITELY_INCOMPLETE) {
                    throw new CellError("CompilationException", "the code ends in the middle of a statement",
                        rest.strip() + "\nthe code ends in the middle of a statement");
                }
                boolean isWhole = info.source() == null || info.completeness() == Completeness.UNKNOWN;
                String snippet = isWhole ? rest : info.source();
                for (SnippetEvent event : shell.eval(snippet)) {
                    check(event, snippet);
                    last = event.causeSnippet() == null ? event : last;
                }
                rest = isWhole ? "" : info.remaining();
            }
            if (interrupted) {
                throw new CellError("", "", "");
            }
            show(last);
        }

        private void show(SnippetEvent event) throws CellError {
            if (silent || event == null || event.value() == null || event.value().isEmpty()
                || event.value().startsWith(FramePrintStream.class.getName()) // System.out.printf()
                || !SHOWN.contains(event.snippet().subKind())) {
                return;
            }
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("type", "result");
            line.put("text", unquoted(event.value()));
            line.put("extra", Map.of());
            line.put("is_main_result", true);
            if (!channel.sendJson('L', line)) {
                throw new CellError("java.lang.IllegalStateException", "the result is larger than 64 MiB",
                    "java.lang.IllegalStateException: the result is larger than 64 MiB");
            }
        }

        private static String unquoted(String text) {
            boolean isQuoted = text.length() > 1 && (text.startsWith("\"") || text.startsWith("'"))
                && text.charAt(text.length() - 1) == text.charAt(0);
            return isQuoted ? text.substring(1, text.length() - 1) : text;
        }

        private void check(SnippetEvent event, String source) throws CellError {
            if (event.status() == Snippet.Status.REJECTED) {
                List<String> messages = new ArrayList<>();
                StringBuilder text = new StringBuilder();
                shell.diagnostics(event.snippet()).filter(Diag::isError).forEach(problem -> {
                    String message = problem.getMessage(Locale.ROOT);
                    messages.add(message.lines().findFirst().orElse(message));
                    text.append(excerpt(source, (int) problem.getPosition())).append(message).append('\n');
                });
                throw new CellError("CompilationException", String.join("\n", messages), text.toString().stripTrailing());
            }
            JShellException exception = event.exception();
            if (exception instanceof EvalException thrown) {
                String message = thrown.getMessage() == null ? "" : thrown.getMessage();
                throw new CellError(thrown.getExceptionClassName(), message, traceback(thrown));
            }
            if (exception != null) {
                String message = "something that this code calls is not defined yet";
                throw new CellError(exception.getClass().getSimpleName(), message, message);
            }
        }

        /** The line of a position, and a mark below it. */
        private static String excerpt(String source, int position) {
            int at = Math.max(0, Math.min(position, source.length()));
            int start = source.lastIndexOf('\n', at - 1) + 1;
            int end = source.indexOf('\n', at);
            String line = source.substring(start, end < 0 ? source.length() : end);
            return line + "\n" + " ".repeat(at - start) + "^\n";
        }

        private static String traceback(EvalException thrown) {
            StringBuilder text = new StringBuilder(thrown.getExceptionClassName());
            if (thrown.getMessage() != null) {
                text.append(": ").append(thrown.getMessage());
            }
            for (StackTraceElement call : thrown.getStackTrace()) {
                // JShell gives snippets as files "#12", and no name to the method that it made of a statement.
                text.append("\n\tat ").append(call.getMethodName());
                text.append("(").append(call.getFileName()).append(":").append(call.getLineNumber()).append(")");
            }
            if (thrown.getCause() instanceof EvalException cause) {
                text.append("\nCaused by: ").append(traceback(cause));
            }
            return text.toString();
        }
    }
}
