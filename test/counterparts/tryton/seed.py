#!/usr/bin/python3
"""Seed a freshly created Tryton 6.0 database with a small distributor.

Runs in process through proteus (no server needed):
    seed.py CONFIG DBNAME > seed.json
Prints a JSON map of the ids and codes a test needs.
"""
import datetime
import json
import os
import sys
import time
from decimal import Decimal

conf, db = sys.argv[1:3]
os.environ['TRYTOND_CONFIG'] = conf
from trytond.config import config as tconf          # noqa: E402
tconf.update_etc(conf)
base_uri = tconf.get('database', 'uri')             # sqlite:// or postgresql://...
from proteus import Model, Wizard, config as pconfig  # noqa: E402

t0 = time.time()
# proteus puts the URI into TRYTOND_DATABASE_URI; the last path part is the database
uri = base_uri.rstrip('/') + '/' + db if base_uri.startswith('postgresql') else 'sqlite:///' + db
cfg = pconfig.set_trytond(uri, user='admin', config_file=conf)
D = Decimal
today = datetime.date.today()
out = {}


def get(name):
    return Model.get(name)


def by_xmlid(module, fs_id):
    d, = get('ir.model.data').find([('module', '=', module), ('fs_id', '=', fs_id)], limit=1)
    return d.db_id


# --- currencies, countries (a handful; the full lists need trytond_import_*)
Currency = get('currency.currency')


def currency(code, name, num, symbol, rate):
    c = Currency(name=name, code=code, numeric_code=num, symbol=symbol,
                 digits=2, rounding=D('0.01'))
    r = c.rates.new()
    r.date = datetime.date(today.year - 2, 1, 1)
    r.rate = D(rate)
    c.save()
    return c


eur = currency('EUR', 'Euro', '978', '€', '1.0')
usd = currency('USD', 'US Dollar', '840', '$', '1.1')
gbp = currency('GBP', 'Pound Sterling', '826', '£', '0.85')
Country = get('country.country')
countries = {}
for code, code3, num, name in [('FR', 'FRA', '250', 'France'), ('DE', 'DEU', '276', 'Germany'),
                               ('GB', 'GBR', '826', 'United Kingdom'),
                               ('US', 'USA', '840', 'United States')]:
    c = Country(name=name, code=code, code3=code3, code_numeric=num)
    c.save()
    countries[code] = c

# --- company
Party = get('party.party')
cp = Party(name='Example Distribution')
cp.addresses[0].street = '1 Quai de Test'
cp.addresses[0].city = 'Lyon'
cp.addresses[0].postal_code = '69001'
cp.addresses[0].country = countries['FR']
cp.save()
w = Wizard('company.company.config')
w.execute('company')
w.form.party = cp
w.form.currency = eur
w.execute('add')
User = get('res.user')
cfg._context = User.get_preferences(True, {})
company, = get('company.company').find()
# In 6.0 the sequence of parties/sales/... exists already; party code is automatic.

# --- fiscal years: previous (closed), current, next
FY = get('account.fiscalyear')
Seq, SeqStrict, SeqType = get('ir.sequence'), get('ir.sequence.strict'), get('ir.sequence.type')
mv_type, = SeqType.find([('name', '=', 'Account Move')], limit=1)
inv_type, = SeqType.find([('name', '=', 'Invoice')], limit=1)
fys = {}
for year in (today.year - 1, today.year, today.year + 1):
    fy = FY(name=str(year), company=company)
    fy.start_date = datetime.date(year, 1, 1)
    fy.end_date = datetime.date(year, 12, 31)
    s = Seq(name='Move %s' % year, sequence_type=mv_type, company=company)
    s.save()
    fy.post_move_sequence = s
    inv = SeqStrict(name='INV %s' % year, sequence_type=inv_type, company=company,
                    prefix='INV-%s-' % year, padding=5)
    inv.save()
    crn = SeqStrict(name='CRN %s' % year, sequence_type=inv_type, company=company,
                    prefix='CRN-%s-' % year, padding=5)
    crn.save()
    q, = fy.invoice_sequences
    q.out_invoice_sequence = inv
    q.in_invoice_sequence = inv
    q.out_credit_note_sequence = crn
    q.in_credit_note_sequence = crn
    fy.save()
    fy.click('create_period')
    fys[year] = fy

# --- chart of accounts (the generic 'minimal' one shipped with module account)
w = Wizard('account.create_chart')
w.execute('account')
w.form.account_template = get('account.account.template')(by_xmlid('account', 'account_template_root_en'))
w.form.company = company
w.execute('create_account')
Account = get('account.account')


def account(kind):
    return Account.find([('type.%s' % kind, '=', True), ('company', '=', company.id)], limit=1)[0]


receivable, payable, revenue, expense = map(account, ('receivable', 'payable', 'revenue', 'expense'))
cash, = Account.find([('name', '=', 'Main Cash'), ('company', '=', company.id)], limit=1)
acc_tax, = Account.find([('name', '=', 'Main Tax'), ('company', '=', company.id)], limit=1)
w.form.account_receivable = receivable
w.form.account_payable = payable
w.execute('create_properties')

# close last year's periods so 'closed period' can be provoked
for p in get('account.period').find([('fiscalyear', '=', fys[today.year - 1].id)]):
    p.click('close')

# --- taxes, payment method, payment terms
Tax = get('account.tax')
taxes = {}
for code, rate in (('VAT20', '0.20'), ('VAT55', '0.055')):
    t = Tax(name=code, description='VAT %s' % rate, type='percentage', rate=D(rate))
    t.invoice_account = acc_tax
    t.credit_note_account = acc_tax
    t.save()
    taxes[code] = t
journal, = get('account.journal').find([('type', '=', 'cash')], limit=1)
PM = get('account.invoice.payment.method')
pm = PM(name='Bank', journal=journal, credit_account=cash, debit_account=cash)
pm.save()
PT = get('account.invoice.payment_term')
pts = {}
for name, days in (('NET0', 0), ('NET30', 30), ('NET60', 60)):
    pt = PT(name=name)
    ln = pt.lines.new(type='remainder')
    if days:
        rd = ln.relativedeltas.new()
        rd.days = days
    pt.save()
    pts[name] = pt

# --- products
PCat = get('product.category')
cats = {}
for name, tx in (('Goods 20%', 'VAT20'), ('Food 5.5%', 'VAT55')):
    c = PCat(name=name, accounting=True, account_expense=expense, account_revenue=revenue)
    c.customer_taxes.append(taxes[tx])
    c.save()
    cats[tx] = c
Uom = get('product.uom')
unit, = Uom.find([('symbol', '=', 'u')], limit=1)
kg, = Uom.find([('symbol', '=', 'kg')], limit=1)
case12 = Uom(name='Case of 12', symbol='cs12', category=unit.category,
             factor=12.0, rate=round(1 / 12., 12), rounding=1.0, digits=0)
case12.save()
Template = get('product.template')
products = {}
N = int(os.environ.get('SEED_PRODUCTS', '40'))
for i in range(1, N + 1):
    t = Template(name='Article %03d' % i, default_uom=unit, type='goods', salable=True)
    t.code = 'SKU-%04d' % i
    t.list_price = D('10.00') + D(i) / 4
    t.account_category = cats['VAT55' if i % 10 == 0 else 'VAT20']
    t.lead_time = datetime.timedelta(0)
    t.weight = round(0.5 + i / 100., 2)   # floats with too many decimals are refused
    t.weight_uom = kg
    t.products[0].cost_price = D('6.00')
    ident = t.products[0].identifiers.new()
    ident.type = 'ean'
    body = '200000%06d' % i
    ident.code = body + str((10 - sum(int(c) * (3 if k % 2 else 1) for k, c in enumerate(body)) % 10) % 10)
    t.save()
    p = t.products[0]
    products[t.code] = p
t = Template(name='Freight', default_uom=unit, type='service', salable=True)
t.code = 'FREIGHT'
t.list_price = D('7.50')
t.account_category = cats['VAT20']
t.lead_time = datetime.timedelta(0)
t.products[0].cost_price = D('5.00')
t.save()
freight = t.products[0]
# lot-tracked product (lot mandatory on shipment to customer)
lt = Template(name='Lot tracked article', default_uom=unit, type='goods', salable=True)
lt.code = 'SKU-LOT1'
lt.list_price = D('25')
lt.account_category = cats['VAT55']
lt.lead_time = datetime.timedelta(0)
lt.save()
products[lt.code] = lt.products[0]

# --- carriers (cost charged through the freight product)
Carrier = get('carrier')
carriers = {}
for name in ('TestPost', 'TestExpress'):
    cparty = Party(name=name)
    cparty.save()
    c = Carrier(party=cparty, carrier_product=freight)
    c.save()
    carriers[name] = c

# --- price list: 5% off, 12+ pieces 10% off
PL = get('product.price_list')
pl = PL(name='B2B', company=company)
a = pl.lines.new()
a.quantity = 12.0
a.formula = 'unit_price * 0.90'
a = pl.lines.new()
a.formula = 'unit_price * 0.95'
pl.save()

# --- customers
ident_types = [('C0001', 'Example Retail SAS', 'FR', '5000', 'NET30', None),
               ('C0002', 'Example Shops GmbH', 'DE', '500', 'NET30', pl),
               ('C0003', 'Example Stores Ltd', 'GB', '0', 'NET0', None),
               ('C0004', 'Example Unlimited', 'FR', None, 'NET60', pl),
               ('C0005', 'Example Marketplace', 'FR', None, 'NET0', None)]
parties = {}
for code, name, cc, limit, term, plist in ident_types:
    p = Party(name=name, code=code)
    ad = p.addresses[0]
    ad.street = '12 rue du Test'
    ad.postal_code = '75001'
    ad.city = 'Testville'
    ad.country = countries[cc]
    ad2 = p.addresses.new()
    ad2.party_name = name + ' Warehouse'
    ad2.street = '99 Dock Road'
    ad2.postal_code = '10000'
    ad2.city = 'Dockside'
    ad2.country = countries[cc]
    ad2.delivery = True
    ad.invoice = True
    cm = p.contact_mechanisms.new()
    cm.type = 'email'
    cm.value = 'ops@%s.example.test' % code.lower()
    p.customer_payment_term = pts[term]
    p.credit_limit_amount = D(limit) if limit is not None else None
    if plist:
        p.sale_price_list = plist
    p.save()
    parties[code] = p
# customer's own item numbers (module sale_product_customer)
pc = products['SKU-0001'].template.product_customers.new()
pc.party = parties['C0002']
pc.code = 'EX-77'
pc.name = 'Their own name'
products['SKU-0001'].template.save()

# --- warehouses, stock
Loc = get('stock.location')
wh, = Loc.find([('code', '=', 'WH')])
sto, = Loc.find([('code', '=', 'STO')])
supplier_loc, = Loc.find([('code', '=', 'SUP')])
sub = {}
for code, typ in (('IN2', 'storage'), ('OUT2', 'storage'), ('STO2', 'storage')):
    x = Loc(name=code, code=code, type=typ)
    x.save()
    sub[code] = x
wh2 = Loc(name='Second warehouse', code='WH2', type='warehouse', input_location=sub['IN2'],
          output_location=sub['OUT2'], storage_location=sub['STO2'],
          lost_found_location=wh.lost_found_location)   # else inventories of WH2 are refused
wh2.save()
Inv = get('stock.inventory')
for loc, qty in ((sto, 1000.0), (sub['STO2'], 100.0)):
    inv = Inv(location=loc)
    for code, p in products.items():
        if code in ('SKU-0040', 'SKU-LOT1'):
            continue            # SKU-0040 stays out of stock
        ln = inv.lines.new(product=p)
        ln.quantity = 5.0 if code == 'SKU-0039' else qty   # SKU-0039 is scarce
    inv.save()
    inv.click('confirm')
Lot = get('stock.lot')
lot = Lot(number='LOT-A', product=products['SKU-LOT1'])
lot.save()
inv = Inv(location=sto)
ln = inv.lines.new(product=products['SKU-LOT1'])
ln.lot = lot
ln.quantity = 50.0
inv.save()
inv.click('confirm')
tmpl = products['SKU-LOT1'].template
tmpl.lot_required = ['customer']       # MultiSelection in 6.0
tmpl.save()

# package type
PkgT = get('stock.package.type')
pk = PkgT(name='Carton')
pk.save()

# --- sale configuration: invoice on shipment, one sale processed at once
SC = get('sale.configuration')
sc = SC(1)
sc.sale_invoice_method = 'shipment'
sc.sale_shipment_method = 'order'
sc.save()

# --- users. 'waybill' = integration user; 'waybill_super' may override credit limits
Group = get('res.group')


def group(module, fs_id):
    return Group(by_xmlid(module, fs_id))


Emp = get('company.employee')
ep = Party(name='Integration Employee')
ep.save()
emp = Emp(party=ep, company=company)
emp.save()
admin = User(cfg.user)
admin.employees.append(emp)
admin.employee = emp
admin.save()
wanted = [('sale', 'group_sale'), ('sale', 'group_sale_admin'), ('sale_amendment', 'group_sale_amendment'), ('stock', 'group_stock'), ('stock', 'group_stock_admin'),
          ('account', 'group_account'), ('account', 'group_account_admin'),
          ('product', 'group_product_admin'), ('party', 'group_party_admin'),
          ('carrier', 'group_carrier_admin'), ('currency', 'group_currency_admin')]
groups = []
for m, f in wanted:
    try:
        groups.append(group(m, f))
    except ValueError:
        print('no group', m, f, file=sys.stderr)
# may confirm over the limit (after acknowledging) and ship what the books lack
credit_group = group('account_credit_limit', 'group_credit_limit')
force_group = group('stock', 'group_stock_force_assignment')
for login, extra in (('waybill', []), ('waybill_super', [credit_group, force_group])):
    u = User(login=login, name=login)
    u.password = 'Waybill-Test-1'
    u.companies.append(get('company.company')(company.id))
    u.company = get('company.company')(company.id)
    e = Emp(emp.id)
    u.employees.append(e)
    u.employee = Emp(emp.id)
    for g in groups + extra:
        u.groups.append(Group(g.id))
    u.save()
    out.setdefault('users', {})[login] = u.id

out.update(
    company=company.id, employee=emp.id, currency={'EUR': eur.id, 'USD': usd.id, 'GBP': gbp.id},
    customers={k: {'id': v.id, 'invoice_address': v.addresses[0].id,
                   'delivery_address': v.addresses[1].id} for k, v in parties.items()},
    products={k: v.id for k, v in products.items()}, freight=freight.id,
    unit=unit.id, case12=case12.id,
    payment_terms={k: v.id for k, v in pts.items()}, taxes={k: v.id for k, v in taxes.items()},
    warehouses={'WH': wh.id, 'WH2': wh2.id}, storage={'WH': sto.id, 'WH2': sub['STO2'].id},
    carriers={k: v.id for k, v in carriers.items()}, price_list=pl.id,
    payment_method=pm.id, package_type=pk.id, lot={'LOT-A': lot.id},
    accounts={'receivable': receivable.id, 'revenue': revenue.id, 'expense': expense.id, 'tax': acc_tax.id, 'cash': cash.id},
    fiscalyear={str(k): v.id for k, v in fys.items()},
    seeded_on=str(today), seed_seconds=round(time.time() - t0, 1))
json.dump(out, sys.stdout, indent=1, sort_keys=True)
print()
