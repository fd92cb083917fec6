// tip-adapter has worker files and native libraries, so Next.js must not bundle it.
export default { serverExternalPackages: ['tip-adapter'] };
